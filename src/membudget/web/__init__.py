"""HTTP with untrusted servers: the size and the time of their answers are limited, and failed requests repeated."""
