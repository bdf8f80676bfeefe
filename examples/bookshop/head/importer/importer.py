"""Reads the publishers' list and counts the stock, and the titles twice in it."""

import json
import sys
from collections import Counter

with open(sys.argv[1], encoding="utf-8") as lines:
    books = [json.loads(line) for line in lines]
stock = sum(book["stock"] for book in books)
twice = [title for title, count in Counter(book["title"] for book in books).items() if count > 1]
print(f"{stock} books in stock, {len(twice)} titles twice")
