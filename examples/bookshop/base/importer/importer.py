"""Reads the publishers' list and counts the stock."""

import json
import sys

stock = 0
with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        stock += json.loads(line)["stock"]
print(f"{stock} books in stock")
