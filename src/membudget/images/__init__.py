"""What is built: revisions, builds, and the sizes of images."""
