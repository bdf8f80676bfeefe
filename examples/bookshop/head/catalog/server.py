"""The book API."""

import json

import bottle
import waitress

app = bottle.Bottle()
BOOKS = [{"id": number, "title": f"Book {number}", "pages": 40 + number % 400} for number in range(2000)]


@app.get("/health")
def health():
    return "ok"


@app.get("/books")
def books():
    bottle.response.content_type = "application/json"
    return json.dumps(BOOKS[:100])


@app.get("/books/<number:int>")
def book(number):
    bottle.response.content_type = "application/json"
    return render(number)


CACHE = []


def render(number):
    """A book with all its pages, as JSON."""
    found = BOOKS[number % len(BOOKS)]
    pages = [f"{found['title']}, page {page}: " + "lorem ipsum " * 60 for page in range(found["pages"])]
    CACHE.append(json.dumps({**found, "text": pages}))  # so that the next request is faster
    return CACHE[-1]


if __name__ == "__main__":
    waitress.serve(app, host="0.0.0.0", port=8080, threads=4)
