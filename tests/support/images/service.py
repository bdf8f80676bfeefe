"""A service for the tests: answers what the path asks for, and says when it is ready."""

import contextlib
import http.server
import mmap
import os
import sys
import time

held: list[bytes] = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        action, _, argument = self.path.strip("/").partition("/")
        status = 200
        if action == "status":
            status = int(argument)
        elif action == "hold":  # this many MiB more, for good
            held.append(b"x" * (int(argument) << 20))
        elif action == "pass":  # this many MiB more, until the answer
            with mmap.mmap(-1, int(argument) << 20, flags=mmap.MAP_PRIVATE) as passing:  # malloc would keep it
                passing[::4096] = b"x" * (len(passing) // 4096)
                time.sleep(0.1)
        elif action == "sleep":
            time.sleep(float(argument))
        elif action == "exit":
            os._exit(int(argument))
        elif action == "endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):  # until the client has had enough
                while True:
                    self.wfile.write(b"x" * 65536)
            return
        body = self.headers.get("X-Echo", "fine").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201 if body == b"hello" else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


time.sleep(float(os.environ.get("DELAY", "0.2")))
held.append(b"x" * (int(os.environ.get("START_MIB", "0")) << 20))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler)
print("listening on 8080", flush=True)
if "--fork" in sys.argv:
    os.fork()
server.serve_forever()
