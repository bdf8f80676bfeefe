"""How an image is measured: trials, and the figures that come of them."""
