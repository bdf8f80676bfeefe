"""Takes orders, and keeps the newest."""

import json
import os
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STARTED = time.monotonic()
NEWEST = deque(maxlen=1000)


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/ready":
            self.answer(200 if time.monotonic() - STARTED > 1 else 503, {"ready": True})
        elif self.path == "/orders":
            self.answer(200, list(NEWEST))
        else:
            self.answer(404, {})

    def do_POST(self) -> None:
        NEWEST.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(201, {"number": len(NEWEST)})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("", int(os.environ["PORT"])), Orders).serve_forever()
