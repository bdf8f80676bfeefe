"""One thread, one request at a time: what repeats best."""

import http.server
import random

STOCK = list(range(500_000))


class Handler(http.server.BaseHTTPRequestHandler):
    """Sorts some of the stock for each request."""

    def do_GET(self) -> None:
        """Answer with the first of a sorted sample."""
        some = sorted(random.sample(STOCK, 20_000))
        body = "\n".join(map(str, some[:1000])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: it would be a line for each request."""


http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
