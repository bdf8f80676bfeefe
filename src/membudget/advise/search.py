"""Searches for the smallest limit at which a workload passes. Pure: it asks for trials, and is given their results.

1. A trial without a limit has to pass. Its figures say where to look.
2. Bisection between a limit that does not work and one that does, until they are a step apart: 1 MiB or 2 %.
3. Confirmation by n trials. A failure raises the limit, and n trials start again.
4. The next rungs above have to pass as well. What sizes itself by the limit (a JVM, Node) may fail there.
5. If the limit was raised far above one that failed, limits between them are confirmed in the same way.
6. Comfort: at which limit the workload is not slowed down (`comfort`).

A trial that fails without an OOM kill may fail for want of memory: a runtime reached its own ceiling. It fails for
another reason if a much smaller limit works, or if it fails without a limit.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass, field

from membudget.advise.answer import DEFAULT_CONFIRMATIONS, Ask, Comfortable, Purpose, Result, SmallestLimit, Stopped
from membudget.advise.comfort import ComfortSearch
from membudget.advise.raising import MOST_LOWERED, MOST_RAISES, lowered, raised
from membudget.advise.rung import GRID_BYTES, Ended, Rung, Tried, aligned_down, aligned_up, rungs, step_bytes
from membudget.budgets.fit import FitSettings
from membudget.budgets.possible import SMALLEST_LIMIT_BYTES
from membudget.judge.fitted import Stop

MOST_SEARCH_TRIALS = 10
"""The most trials before the answer is confirmed."""
_REFERENCES = 3
"""How many trials without a limit the costs of a limit are compared with."""
_GROWTH_STEPS = (1, 4, 16, 64)
"""By how many steps the upper bound is raised while it does not work, before the largest limit is tried."""
_RUNGS_ABOVE = 2
_DOUBTED_RUNGS = 4
"""How many further limits are tried if something failed without an OOM kill, up to twice the answer."""

_FEWEST_PROOFS = 5
"""How many trials at each of two limits have to show, at least, that the larger one works less often."""
_CHANCE = 0.01
"""Limits are called not monotone if chance explains it with a smaller probability than this."""

_MUCH_MORE = 1.25
"""A failure at this many times a limit that works is not for want of memory. Closer to it, chance may have let it work.
"""

Search = Generator[Ask, Tried, Result]
_Step = Generator[Ask, Tried, None]
_Trial = Generator[Ask, Tried, Tried]
_FirstFailure = Generator[Ask, Tried, Tried | None]


@dataclass(frozen=True, slots=True)
class Sought:
    """What to search for."""

    settings: FitSettings
    confirmations: int
    largest_bytes: int
    """The largest limit that may be tried."""
    seeks_comfort: bool = True


class _Stopping(Exception):
    def __init__(self, stopped: Stopped) -> None:
        super().__init__(stopped.why)
        self.stopped = stopped


def search(wanted: Sought) -> Search:
    """Ask for trials, one by one, and return the result. The same results lead to the same questions."""
    found = _Search(wanted)
    try:
        return (yield from found.run())
    except _Stopping as stopping:
        return stopping.stopped


@dataclass(slots=True)
class _Search:
    wanted: Sought
    tried: list[Tried] = field(default_factory=list)
    low: int | None = None
    """The largest limit that is known not to work, below `high`."""
    high: int = 0
    """The smallest limit that is known to work."""
    raises: int = 0
    """How often a failure has raised a limit that worked before."""
    lowered: int = 0
    """How often a limit was tried between a raised one and one that failed."""

    def run(self) -> Search:
        """Ask for trials until there is an answer. Raises _Stopping if there is none."""
        free = yield from self._reference(1)
        if not free.passed:
            raise _Stopping(Stopped(Stop.NEVER_PASSES, free))
        yield from self._bracket(free)
        yield from self._bisect()
        yield from self._confirm(free)
        comfort = (yield from self._comfort(free)) if self.wanted.seeks_comfort else None
        return SmallestLimit(
            self.high,
            self.wanted.confirmations,
            self.low,
            is_smallest_possible=self.high <= SMALLEST_LIMIT_BYTES,
            sizes_itself=self._sizes_itself(free),
            is_monotone=(yield from self._is_monotone()),
            comfortable=comfort,
        )

    def _bracket(self, free: Tried) -> _Step:
        """Find a limit that works, from the memory that the workload used without one. Then try what cannot work.

        RSS cannot be reclaimed, because a limit includes swap. Still, what sizes itself may pass below its free peak.
        """
        rss, mark = free.peak_rss_bytes or 0, free.peak_memory_bytes or 0
        yield from self._find_high(max(SMALLEST_LIMIT_BYTES, aligned_up(max(rss, mark) + GRID_BYTES)))
        guess = aligned_down(rss)
        if self.low is None and SMALLEST_LIMIT_BYTES <= guess < self.high:
            yield from self._narrow(guess)

    def _find_high(self, first: int) -> _Step:
        limit, largest = first, self.wanted.largest_bytes
        for steps in (0, *_GROWTH_STEPS, None):
            limit = largest if steps is None else min(limit + steps * step_bytes(limit), largest)
            trial = yield from self._try(limit, Purpose.SEARCH)
            if trial.passed:
                self.high = limit
                return
            self.low = limit
            if limit == largest:
                break
        why = Stop.NEVER_ENOUGH if trial.ended is Ended.KILLED else Stop.FAILS_OTHERWISE
        raise _Stopping(Stopped(why, trial))

    def _bisect(self) -> _Step:
        while self.high > SMALLEST_LIMIT_BYTES and len(self.tried) < MOST_SEARCH_TRIALS:
            if self.low is not None and self.high - self.low <= step_bytes(self.high):
                return
            yield from self._narrow(self._middle())

    def _middle(self) -> int:
        """Return a limit between the bounds: their geometric mean while they are far apart, or the smallest limit."""
        if self.low is None and self.high <= 2 * SMALLEST_LIMIT_BYTES:
            return SMALLEST_LIMIT_BYTES
        low = self.low if self.low is not None else SMALLEST_LIMIT_BYTES
        middle = math.isqrt(low * self.high) if self.high > 2 * low else (low + self.high) // 2
        return min(max(aligned_down(middle), low + GRID_BYTES), self.high - GRID_BYTES)

    def _narrow(self, limit: int) -> _Step:
        trial = yield from self._try(limit, Purpose.SEARCH)
        if trial.passed:
            self.high = limit
        else:
            self.low = limit

    def _confirm(self, free: Tried) -> _Step:
        """Raise the limit until it and the rungs above it pass every trial. Then lower it, if it was raised far."""
        while True:
            failed = (yield from self._proven(free)) or (yield from self._lower(free))
            if failed is None:
                return
            self._raise_above(failed)

    def _proven(self, free: Tried) -> _FirstFailure:
        """Return the first trial that failed at the limit or at the rungs above, or None if all passed."""
        failed = yield from self._confirmed(self.high, Purpose.CONFIRM, self.wanted.confirmations)
        return failed or (yield from self._above(free))

    def _lower(self, free: Tried) -> _FirstFailure:
        """Confirm limits between a raised one and one that failed. Return a trial that failed above the raised one."""
        while self.raises and self.lowered < MOST_LOWERED and self.low is not None:
            sound, between = self.high, lowered(self.low, self.high, self.tried)
            if between is None:
                break
            self.high, self.lowered = between, self.lowered + 1
            failed = yield from self._proven(free)
            if failed is not None:
                self.high = sound
                if (failed.limit_bytes or 0) >= sound:
                    return failed
                self.low = failed.limit_bytes
        return None

    def _raise_above(self, failed: Tried) -> None:
        """Raise the limit above one at which a trial failed, each time further. Raises _Stopping at the end."""
        limit, largest = failed.limit_bytes or self.high, self.wanted.largest_bytes
        self.low = limit
        if limit >= largest or self.raises == MOST_RAISES:
            failures = [one for one in self.tried if one.limit_bytes is not None and not one.passed]
            otherwise = next((one for one in reversed(failures) if one.ended is not Ended.KILLED), None)
            raise _Stopping(Stopped(Stop.UNSTABLE, otherwise or failures[-1]))
        wanted = raised(limit, self.raises, self.tried, sizes_itself=self._sizes_itself(self.tried[0]))
        self.high = min(wanted, largest)
        self.raises += 1

    def _comfort(self, free: Tried) -> Generator[Ask, Tried, Comfortable]:
        """Return the comfortable limit. A failure at the answer raises the answer, which is then confirmed anew."""
        while True:
            yield from self._references()
            begin, top = len(self.tried), max(aligned_up((free.peak_memory_bytes or 0) + GRID_BYTES), 2 * self.high)
            seeking = ComfortSearch(self.tried, self.wanted.settings, self.wanted.largest_bytes)
            comfort = yield from seeking.run(self.high, top)
            meanwhile = (one for one in self.tried[begin:] if one.limit_bytes == self.high and not one.passed)
            failed = next(meanwhile, None)
            if failed is None:
                return comfort
            self._raise_above(failed)
            yield from self._confirm(free)

    def _above(self, free: Tried) -> _FirstFailure:
        """Return the trial that failed at one of the next rungs, or None.

        They are tried once. If the memory depends on the limit, they are confirmed like the limit itself.
        """
        is_doubtful = self._sizes_itself(free) or not (yield from self._is_monotone())
        limit = self.high
        for _ in range(_RUNGS_ABOVE):
            limit += step_bytes(limit)
            if limit > self.wanted.largest_bytes:
                break
            failed = yield from self._confirmed(limit, Purpose.ABOVE, self.wanted.confirmations if is_doubtful else 1)
            if failed is not None:
                return failed
        return (yield from self._doubted())

    def _confirmed(self, limit: int, purpose: Purpose, count: int) -> _FirstFailure:
        """Return the first trial that failed, or None if all passed."""
        for number in range(1, count + 1):
            trial = yield from self._try(limit, purpose, number, count)
            if not trial.passed:
                return trial
        return None

    def _doubted(self) -> _FirstFailure:
        """If something failed without an OOM kill, try further limits once: if one fails, memory is not the reason."""
        if not any(_failed_otherwise(trial) for trial in self.tried):
            return None
        top = min(2 * self.high, self.wanted.largest_bytes)
        limits = [
            aligned_down(self.high + (top - self.high) * part // _DOUBTED_RUNGS)
            for part in range(1, _DOUBTED_RUNGS + 1)
        ]
        for number, limit in enumerate(limits, start=1):
            if limit > self.high:
                trial = yield from self._try(limit, Purpose.ABOVE, number, _DOUBTED_RUNGS)
                if not trial.passed:
                    return trial
        return None

    def _references(self) -> _Step:
        """Run what is missing of the trials without a limit. All of them have to pass."""
        for number in range(self._free_trials + 1, _REFERENCES + 1):
            trial = yield from self._reference(number)
            if not trial.passed:
                raise _Stopping(Stopped(Stop.FAILS_OTHERWISE, trial))

    def _reference(self, number: int) -> _Trial:
        return (yield from self._try(None, Purpose.REFERENCE, number, _REFERENCES))

    def _try(self, limit: int | None, purpose: Purpose, number: int | None = None, most: int | None = None) -> _Trial:
        number = len(self.tried) if number is None else number
        most = MOST_SEARCH_TRIALS - 1 if most is None else most
        trial = yield Ask(limit, purpose, number, most, self._left(purpose, number, most))
        self.tried.append(trial)
        if limit is not None and _failed_otherwise(trial):
            yield from self._require_memory(trial, limit)
        return trial

    def _require_memory(self, trial: Tried, limit: int) -> _Step:
        """Raise _Stopping if memory is not why a trial failed: much less is enough, or no limit is not."""
        passing = [
            rung.limit_bytes
            for rung in rungs(self.tried)
            if rung.limit_bytes is not None and rung.passed and _MUCH_MORE * rung.limit_bytes <= limit
        ]
        if passing:
            raise _Stopping(Stopped(Stop.FAILS_OTHERWISE, trial, passing[-1]))
        yield from self._references()

    def _left(self, purpose: Purpose, number: int, most: int) -> int:
        """Return how many trials are expected to follow."""
        after = {
            Purpose.REFERENCE: 0 if number > 1 else self.wanted.confirmations + MOST_SEARCH_TRIALS // 2,
            Purpose.SEARCH: self.wanted.confirmations + self._halvings + _RUNGS_ABOVE,
            Purpose.CONFIRM: most - number + _RUNGS_ABOVE,
        }
        return after.get(purpose, most - number) + (_REFERENCES - 1 if self.wanted.seeks_comfort else 0)

    @property
    def _halvings(self) -> int:
        """How often the interval is expected to be halved after the next trial."""
        if self.low is None or not self.high:
            return 3
        return max(0, math.ceil(math.log2(max(1, (self.high - self.low) / step_bytes(self.high)))) - 1)

    @property
    def _free_trials(self) -> int:
        return sum(trial.limit_bytes is None for trial in self.tried)

    def _sizes_itself(self, free: Tried) -> bool:
        """Whether a limit passed that is below the memory that was used without one."""
        return free.peak_rss_bytes is not None and self.high + step_bytes(self.high) < free.peak_rss_bytes

    def _inverted(self) -> tuple[int, int] | None:
        """Return a limit that passed all of its trials, and one above it that failed. None if there is none.

        It is the pair with most trials: a limit that passed once may have passed by chance.
        """
        limited = [rung for rung in rungs(self.tried) if rung.limit_bytes is not None]
        pairs = [
            (len(rung.trials), rung.limit_bytes or 0, above.limit_bytes or 0)
            for number, rung in enumerate(limited)
            for above in limited[number + 1 :]
            if rung.passed and not above.passed
        ]
        return max(pairs)[1:] if pairs else None

    def _is_monotone(self) -> Generator[Ask, Tried, bool]:
        """Return whether no limit fails above one that works, which trials of both have to confirm.

        A limit that passed once may fail at the next trial, and a limit that failed once may pass again and again.
        """
        proof = min(max(self.wanted.confirmations, _FEWEST_PROOFS), DEFAULT_CONFIRMATIONS)
        while (found := self._inverted()) is not None:
            lower, upper = found
            passes = self._rung(lower).passes
            failed = yield from self._confirmed(lower, Purpose.ABOVE, proof - passes)
            if failed is not None:
                continue  # chance let it work before
            for number in range(len(self._rung(upper).trials) + 1, proof + 1):
                yield from self._try(upper, Purpose.ABOVE, number, proof)
            above, passes = self._rung(upper), self._rung(lower).passes
            failures = len(above.failures)
            # if both failed equally often, all failures would be among those of one limit this often (Fisher)
            chance = math.comb(len(above.trials), failures) / math.comb(len(above.trials) + passes, failures)
            return chance > _CHANCE
        return True

    def _rung(self, limit: int) -> Rung:
        return Rung.at(limit, self.tried)


def _failed_otherwise(trial: Tried) -> bool:
    return not trial.passed and trial.ended is not Ended.KILLED
