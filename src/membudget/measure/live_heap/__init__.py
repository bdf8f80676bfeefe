"""What runtimes keep after a forced collection, asked after a trial's other figures were taken."""
