import csv
from pathlib import Path

with Path("/books.csv").open() as file:
    rows = list(csv.reader(file)) * 50_000
print(len(rows), "books imported")
