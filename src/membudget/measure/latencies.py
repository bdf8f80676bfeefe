"""Counts latencies in steps of 0.1 % or finer, in bounded memory, and reads percentiles from the counts.

The steps are those of HdrHistogram with three significant digits (http://hdrhistogram.org): below 2,048 µs a step is a
microsecond, above that it is a 1,024th of a power of two. The percentile of a share p is the smallest latency that at
least p of the requests did not exceed (nearest rank). Counts of several loads add up.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_BITS = 11
"""The significant bits of a step."""

StepCounts = tuple[tuple[int, int], ...]
"""The lower end of each step in microseconds, and how many latencies fell into it, in order."""


def step_of(duration_us: int) -> int:
    """Return the lower end of the step that a latency falls into."""
    shift = max(0, duration_us.bit_length() - _BITS)
    return duration_us >> shift << shift


def _middle_of(step_us: int) -> int:
    """Return the middle of a step. It is at most 0.05 % off."""
    return step_us + ((1 << max(0, step_us.bit_length() - _BITS)) - 1) // 2


@dataclass(frozen=True, slots=True)
class Latencies:
    """The latencies of requests that succeeded."""

    counts: StepCounts = ()

    @classmethod
    def of(cls, counts: Iterable[tuple[int, int]]) -> "Latencies":
        """Return latencies with these counts by step, in any order."""
        return cls(tuple(sorted(counts)))

    @classmethod
    def together(cls, parts: Iterable["Latencies"]) -> "Latencies":
        """Return the latencies of several loads as those of one."""
        total: Counter[int] = Counter()
        for part in parts:
            total.update(dict(part.counts))
        return cls.of(total.items())

    @property
    def total(self) -> int:
        """The number of latencies."""
        return sum(count for _, count in self.counts)

    def percentile(self, share: float) -> int | None:
        """Return a percentile in microseconds. None if there are no latencies. `share` is more than 0 and at most 1."""
        return _nearest_rank(self.counts, math.ceil(share * self.total))


def _nearest_rank(counts: Sequence[tuple[int, int]], rank: int) -> int | None:
    for step_us, count in counts:
        rank -= count
        if rank <= 0:
            return _middle_of(step_us)
    return None
