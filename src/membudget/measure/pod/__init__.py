"""What stands around a container: its sidecars, as the repository's compose file has them."""
