"""What exercises a container: commands, HTTP load, and waiting until it is ready."""
