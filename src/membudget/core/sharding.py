"""Which runner checks which images, when several share a check."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from membudget.core.errors import ConfigurationError
from membudget.core.files import Stored

MOST_SHARDS = 256
"""As many jobs as a matrix may have (GitHub's usage limits)."""
_WRITTEN = re.compile(r"([1-9]\d{0,2})/([1-9]\d{0,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard(Stored):
    """One of several parts of a check."""

    number: int
    """From 1."""
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Written "2/3". Raises ConfigurationError."""
        found = _WRITTEN.fullmatch(text)
        shard = cls(int(found[1]), int(found[2])) if found else None
        if shard is None or not shard.number <= shard.of <= MOST_SHARDS:
            raise ConfigurationError(
                f"{text!r} is no shard: it is written 2/3, the second of three, of {MOST_SHARDS} at the most",
                where="shard",
            )
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def assign(names: Sequence[str], durations_ms: Mapping[str, int], shards: int) -> list[list[str]]:
    """The images of each shard, so that all take about as long: the longest goes first, to whoever has least.

    An image without a known duration counts as the median of the known ones. In a shard images keep the order of
    `names`; no shard is empty, so there may be fewer. The same arguments give the same parts.
    """
    usual = median(durations_ms.values()) if durations_ms else 1
    order = {name: place for place, name in enumerate(names)}
    longest_first = sorted(names, key=lambda name: (-durations_ms.get(name, usual), order[name]))
    parts: list[list[str]] = [[] for _ in range(min(shards, len(names)))]
    loads = [0.0] * len(parts)
    for name in longest_first:
        least = min(range(len(parts)), key=lambda number: (loads[number], number))
        parts[least].append(name)
        loads[least] += max(1, durations_ms.get(name, usual))
    return [sorted(part, key=order.__getitem__) for part in parts]
