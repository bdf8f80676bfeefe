"""The use case that tells. It holds a token and runs no stranger's code."""
