"""What limit is right? Runs an image at limits, and finds the smallest one that works."""
