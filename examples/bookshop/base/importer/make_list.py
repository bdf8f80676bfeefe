"""Stands in for the publishers: writes the list that they would send."""

import json
import sys

with open(sys.argv[1], "w", encoding="utf-8") as file:
    for number in range(60_000):
        file.write(json.dumps({"isbn": f"978{number:010d}", "title": f"Book {number}", "stock": number % 7}) + "\n")
