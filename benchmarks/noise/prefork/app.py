"""Pages of titles, each made once in each worker: what was shared before the fork becomes its own."""

import random
from collections.abc import Callable, Iterable
from functools import cache

TITLES = [f"book number {number}" for number in range(50_000)]
PAGES = 500


@cache
def page(number: int) -> bytes:
    """A hundred titles, eight times."""
    return "\n".join(TITLES[100 * number : 100 * number + 100] * 8).encode()


def answer(_: dict[str, object], start: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """One of the pages."""
    body = page(random.randrange(PAGES))
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
