"""Words that every other package uses: errors, metrics, units, threads, files."""
