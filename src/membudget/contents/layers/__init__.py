"""Layers of an image: what each holds, and what they make together."""
