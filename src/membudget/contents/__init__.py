"""What images contain: layers, files and packages, how two images differ, and what could be saved."""
