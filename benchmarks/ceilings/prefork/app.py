"""Each worker keeps WORKER_MIB from its first request on."""

import os
import time
from collections.abc import Callable, Iterable

KEPT: list[bytearray] = []


def answer(_: dict[str, object], start: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """Keep, and let other workers answer meanwhile."""
    if not KEPT:
        made = bytearray(int(os.environ["WORKER_MIB"]) << 20)
        made[::4096] = b"\1" * len(range(0, len(made), 4096))
        KEPT.append(made)
    time.sleep(0.01)
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]
