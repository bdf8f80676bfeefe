"""What is in images: layers, files, packages, what differs between two, and what could be saved."""
