"""Simulated services: what a trial at a limit gives, as a function of the limit."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from membudget.advise.answer import Ask, Result
from membudget.advise.rung import Answers, Ended, Tried
from membudget.advise.search import Sought, search
from membudget.budgets.fit import FitSettings
from membudget.core.quantities import GIB, MIB

Service = Callable[[int | None], Tried]


def tried(
    limit: int | None,
    ended: Ended = Ended.PASSED,
    *,
    rss: int = 0,
    mark: int = 0,
    cpu_ms: int = 1000,
    p95_us: int | None = None,
) -> Tried:
    """A trial."""
    answers = Answers(1000, 1000, p95_us, p95_us, p95_us) if p95_us is not None else None
    return Tried(limit, ended, None if ended is Ended.PASSED else ended.value, 1000, rss, mark, cpu_ms, answers=answers)


def monotone(need: int, kernel: int = MIB // 2, cache: int = 0) -> Service:
    """Anonymous memory that cannot be reclaimed, kernel memory, and page cache that can."""

    def run(limit: int | None) -> Tried:
        whole = need + kernel
        killed = limit is not None and limit < whole
        mark = min(whole + cache, limit) if limit is not None else whole + cache
        return tried(limit, Ended.KILLED if killed else Ended.PASSED, rss=need, mark=mark)

    return run


def noisy(need: int, spread: int, seed: int) -> Service:
    """Each trial needs another amount."""
    dice = random.Random(seed)

    def run(limit: int | None) -> Tried:
        return monotone(need + dice.randrange(spread))(limit)

    return run


def self_sizing(share: float, live: int, outside: int, host: int = 8 * GIB) -> Service:
    """A heap of a share of the limit that is filled if CPU time is short, and has to hold `live`."""

    def run(limit: int | None) -> Tried:
        heap = int(share * (limit if limit is not None else host))
        if heap < live:
            return tried(limit, Ended.FAILED, rss=heap + outside, mark=heap + outside)
        used = min(heap, 3 * live) + outside
        killed = limit is not None and used > limit
        cpu_ms = 1000 + int(100 * live / max(1, heap - live + live // 10))
        return tried(limit, Ended.KILLED if killed else Ended.PASSED, rss=used, mark=used, cpu_ms=cpu_ms)

    return run


def with_hole(need: int, low: int, high: int) -> Service:
    """Killed at limits from `low` to `high` as well, as what sizes itself may be."""

    def run(limit: int | None) -> Tried:
        if limit is not None and low <= limit < high:
            return tried(limit, Ended.KILLED, rss=need, mark=limit)
        return monotone(need)(limit)

    return run


@dataclass
class Fit:
    """A search against a service."""

    service: Service
    confirmations: int = 10
    largest: int = 16 * GIB
    settings: FitSettings = FitSettings()
    seeks_comfort: bool = False
    asked: list[Ask] = field(default_factory=list)
    trials: list[Tried] = field(default_factory=list)

    def run(self) -> Result:
        """The result."""
        asking = search(Sought(self.settings, self.confirmations, self.largest, seeks_comfort=self.seeks_comfort))
        ask = next(asking)
        while True:
            self.asked.append(ask)
            trial = self.service(ask.limit_bytes)
            self.trials.append(trial)
            try:
                ask = asking.send(trial)
            except StopIteration as end:
                result: Result = end.value
                return result
