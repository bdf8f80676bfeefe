"""A cache of what is asked for: few keys often, many keys once, values of all sizes."""

import http.server
import random

KEPT: dict[int, bytes] = {}
LOOKUPS = 10
SMALLEST, LARGEST = 512, 1 << 21


def look_up(key: int) -> bytes:
    """The value of a key, made when it is not there."""
    if key not in KEPT:
        KEPT[key] = bytes(min(LARGEST, int(SMALLEST * random.paretovariate(1.2))))
    return KEPT[key]


class Handler(http.server.BaseHTTPRequestHandler):
    """Looks up some keys for each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with how much was found."""
        found = sum(len(look_up(int(1000 * random.paretovariate(1)))) for _ in range(LOOKUPS))
        body = f"{found} bytes\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: it would be a line for each request."""


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
