"""The stores that images are read from: archives, layouts, blobs, and the cache of layers."""
