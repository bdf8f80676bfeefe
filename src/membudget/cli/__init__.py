"""The command line: arguments in, adapters wired, exit code out."""
