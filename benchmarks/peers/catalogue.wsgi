"""A WSGI service: small answers, and /export, which is built as one text of 24 MiB that is gone soon after."""

import time
from collections.abc import Callable, Iterator

_TITLES = {number: f"title {number}" for number in range(100_000)}


def application(environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    """Answer a request."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] != "/export":
        return [_TITLES[42].encode()]
    export = b"".join(_lines())
    time.sleep(0.02)  # a client that does not take it at once
    return [str(len(export)).encode()]


def _lines() -> Iterator[bytes]:
    yield from (b"x" * (1 << 20) for _ in range(24))
