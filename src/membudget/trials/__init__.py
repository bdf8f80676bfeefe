"""How it is measured: one execution of an image under its limit, and the kernel's word on it."""
