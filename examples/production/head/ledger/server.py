"""Notes what was ever asked for."""

import http.server

ENTRIES: list[bytes] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps something of each request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer, and remember."""
        ENTRIES.append(self.path.encode().ljust(32_768))
        body = b"noted"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: it would be a line for each request."""


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
