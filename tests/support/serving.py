"""Servers that answer while a test runs."""

import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[None]:
    """Answers requests in a thread of its own; ends and closes the server afterwards.

    Unlike `serve_forever`, it does not look again and again whether it should end: it is told, and ends at once.
    """
    ours, told = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(server, told))
    thread.start()
    try:
        yield
    finally:
        ours.close()
        thread.join()
        told.close()
        server.server_close()


def _serve(server: socketserver.TCPServer, told: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(told, selectors.EVENT_READ)
        while all(key.fileobj is not told for key, _ in selector.select()):
            server.handle_request()
