from common import serve

BOOKS = [{"title": f"Book {number}", "pages": number} for number in range(20_000)]
serve(9000, {"/health": "well", "/books": BOOKS[:100]})
