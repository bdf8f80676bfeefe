"""A pre-forking service: what is loaded before the fork is shared by all workers until they write to it."""

from collections.abc import Callable, Iterable

TITLES = [f"book number {number}" for number in range(50_000)]


def answer(environ: dict[str, object], start: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """A page of titles."""
    page = int(str(environ.get("QUERY_STRING") or "0")) % 500
    body = "\n".join(TITLES[100 * page : 100 * page + 100]).encode()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
