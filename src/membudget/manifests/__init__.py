"""Reads what manifests deploy: containers with their memory, and what scales them."""
