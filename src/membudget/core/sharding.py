"""Distributes the images of a check over several runners."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from membudget.core.errors import ConfigurationError
from membudget.core.files import Stored

MOST_SHARDS = 256
"""The largest number of jobs in a matrix (GitHub's usage limits)."""
_WRITTEN = re.compile(r"([1-9]\d{0,2})/([1-9]\d{0,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard(Stored):
    """One of the parts that a check is divided into."""

    number: int
    """The number of this part, from 1."""
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard of a text such as "2/3". Raises ConfigurationError."""
        found = _WRITTEN.fullmatch(text)
        shard = cls(int(found[1]), int(found[2])) if found else None
        if shard is None or not shard.number <= shard.of <= MOST_SHARDS:
            raise ConfigurationError(
                f"{text!r} is not a shard; write the second of three as 2/3, of at most {MOST_SHARDS}",
                where="shard",
            )
        return shard

    def share(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the images of this shard, if nobody has planned. Empty if there are more shards than images."""
        parts = assign(names, {}, self.of)
        return tuple(parts[self.number - 1]) if self.number <= len(parts) else ()

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def assign(names: Sequence[str], durations_ms: Mapping[str, int], shards: int) -> list[list[str]]:
    """Distribute images over shards so that all shards take about the same time.

    The slowest image goes first, to the shard with the least work. An image without a known duration counts as the
    median of the known ones. Each shard keeps the order of `names`. No shard is empty, so there may be fewer than
    `shards`. The result depends only on the arguments.
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
