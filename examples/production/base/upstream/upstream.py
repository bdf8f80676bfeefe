"""What the gateways stand in front of: pages of 64 KiB and 512 KiB, and streams of server-sent events of 2 MiB each."""

import http.server
import time

PAGE, LARGE_PAGE = b"x" * 65_536, b"x" * 524_288
EVENTS = b"data: " + b"x" * 1016 + b"\n\n"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /events with a stream, /large with a large page, everything else with a page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/events":
            self.stream()
            return
        page = LARGE_PAGE if self.path == "/large" else PAGE
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def stream(self) -> None:
        """Events until the stream's time is over."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for _ in range(64):
            self.wfile.write(32 * EVENTS)
            time.sleep(1 / 32)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: it would be a line for each request."""


class Server(http.server.ThreadingHTTPServer):
    """With room for a burst."""

    request_queue_size = 1024


Server(("", 8080), Handler).serve_forever()
