"""A service for the tests: answers what the path asks for, and says when it is ready."""

import contextlib
import http.server
import mmap
import os
import random
import sys
import time
from collections.abc import Callable

OF_CONNECTION = int(os.environ.get("CONNECTION_KIB", "0")) << 10
OF_STREAM = int(os.environ.get("STREAM_KIB", "0")) << 10
"""What each takes more, while it lasts."""

held: list[bytes] = []
cached: dict[int, bytes] = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.kept = b"x" * OF_CONNECTION

    def do_GET(self) -> None:
        action, _, argument = self.path.strip("/").partition("/")
        if action in STREAMS:
            self.stream(*STREAMS[action])
            return
        if action in ACTIONS:
            ACTIONS[action](argument)
        self.answer(int(argument) if action == "status" else 200, self.headers.get("X-Echo", "fine").encode())

    def do_PUT(self) -> None:
        """Answers with the size of what it was given."""
        left = size = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        self.answer(201, str(size).encode())

    def do_POST(self) -> None:
        self.answer(201 if self.rfile.read(int(self.headers["Content-Length"])) == b"hello" else 400, b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, kind: str, piece: bytes, pause_s: float) -> None:
        self.kept += b"x" * OF_STREAM
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        with contextlib.suppress(OSError):  # until the client has had enough
            while True:
                self.wfile.write(piece)
                time.sleep(pause_s)

    def log_message(self, *_: object) -> None:
        pass


def hold(mib: str) -> None:
    """This many MiB more, for good."""
    held.append(b"x" * (int(mib) << 20))


def leak(kib: str) -> None:
    """This many KiB more, for good."""
    held.append(b"x" * (int(kib) << 10))


def cache(kib: str) -> None:
    """This many KiB for each of a hundred things that are asked for at random."""
    cached[random.randrange(100)] = b"x" * (int(kib) << 10)


def take_for_a_while(mib: str) -> None:
    """This many MiB more, until the answer."""
    with mmap.mmap(-1, int(mib) << 20, flags=mmap.MAP_PRIVATE) as passing:  # malloc would keep it
        passing[::4096] = b"x" * (len(passing) // 4096)
        time.sleep(0.1)


ACTIONS: dict[str, Callable[[str], None]] = {
    "hold": hold,
    "leak": leak,
    "cache": cache,
    "pass": take_for_a_while,
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "exit": lambda code: os._exit(int(code)),
}
STREAMS = {
    "endless": ("application/octet-stream", b"x" * 65536, 0.0),
    "events": ("text/event-stream", b"data: tick\n\n", 0.1),
}


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


time.sleep(float(os.environ.get("DELAY", "0.2")))
held.append(b"x" * (int(os.environ.get("START_MIB", "0")) << 20))
server = Server(("127.0.0.1", 8080), Handler)
print("listening on 8080", flush=True)
if "--fork" in sys.argv:
    os.fork()
server.serve_forever()
