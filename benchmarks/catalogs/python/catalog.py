"""A cache of 400 entries: each request replaces one, and leaves garbage behind. KEPT_BYTES is the size of an entry."""

import http.server
import itertools
import json
import os
import random

ENTRIES = 400
KEPT_BYTES = int(os.environ.get("KEPT_BYTES", "100000"))
cache: dict[int, list[bytes]] = {}
requests = itertools.count()


def entry() -> list[bytes]:
    """Half of it in pieces for Python's own allocator, half in pieces for malloc."""
    return [*(bytes(KEPT_BYTES // 400) for _ in range(200)), *(bytes(KEPT_BYTES // 20) for _ in range(10))]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the garbage."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Replace an entry."""
        cache[next(requests) % ENTRIES] = entry()
        prices = [{"number": number, "price": random.random()} for number in range(random.randrange(2000))]
        cycle: list[object] = [prices]
        cycle.append(cycle)
        body = json.dumps(prices).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
