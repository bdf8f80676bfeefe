"""Heap profiles of a shop whose search index grew."""

from collections.abc import Iterable

from membudget.core.quantities import MIB
from membudget.measure.profiling.heap_profile import (
    Frame,
    HeapProfile,
    PairProfile,
    ProfiledBy,
    ProfiledSide,
    SourceLine,
)

JSON = Frame("raw_decode", "/usr/local/lib/python3.12/json/decoder.py", 353, is_library=True)
MAIN = Frame("<module>", "/app/server.py", 88)
SERVE = Frame("do_GET", "/app/server.py", 41)
INDEX = Frame("build_index", "/app/catalog/search.py", 41)
WORDS = Frame("words_of", "/app/catalog/search.py", 58)
CACHE = Frame("remember", "/app/catalog/cache.py", 17)
LOAD = Frame("load_books", "/app/catalog/books.py", 12)

Held = tuple[tuple[Frame, ...], float]
"""A stack, innermost frame first, and what it holds in MiB."""


def heap(held: Iterable[Held], by: ProfiledBy = ProfiledBy.TRACEMALLOC) -> HeapProfile:
    """A profile of these stacks."""
    return HeapProfile.of(by, [(frames, round(size * MIB)) for frames, size in held])


def shop(index: float, words: float = 1.4, cache: float = 2.1) -> HeapProfile:
    """The shop's memory in MiB."""
    return heap([
        ((INDEX, LOAD, MAIN), index),
        ((WORDS, INDEX, LOAD, MAIN), words),
        ((CACHE, SERVE, MAIN), cache),
        ((JSON, LOAD, MAIN), 12.5),
        ((JSON, SERVE, MAIN), 0.4),
    ])  # fmt: skip


def profiled(
    profile: HeapProfile | None, *, peak: float = 70, reason: str | None = None, duration_ms: int = 3400
) -> ProfiledSide:
    """One side, whose profiled trial peaked at `peak` MiB of RSS."""
    rss = round(peak * 0.95 * MIB)
    why = None if profile is not None else reason or "it did not answer in time"
    return ProfiledSide(profile, why, rss, round(peak * MIB), duration_ms)


def grown_shop() -> PairProfile:
    """The search index grew by 38.2 MiB, at a line of the pull request's diff."""
    sources = (
        SourceLine(INDEX.file or "", 41, "services/api/catalog/search.py", is_in_diff=True),
        SourceLine(WORDS.file or "", 58, "services/api/catalog/search.py", is_in_diff=False),
    )
    base, head = shop(1.1), shop(39.3, words=4.4, cache=2.2)
    return PairProfile(profiled(base, peak=72.4, duration_ms=2900), profiled(head, peak=116.9), sources)
