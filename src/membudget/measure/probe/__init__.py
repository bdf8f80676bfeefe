"""What the kernel says of a container's memory: the sampling program, and its client."""
