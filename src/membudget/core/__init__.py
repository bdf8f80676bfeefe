"""What every other package uses: errors, metrics, units, files, masking, work."""
