"""The use cases that measure. They run strangers' code and hold no token."""
