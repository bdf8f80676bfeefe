"""How often noise alone decides what `membudget fit` says: that a limit slows a service down, or is not monotone.

Also how far its answer is above what a service needs, if that differs from trial to trial.

    make bench-fit-noise

Each fit is the real search against a simulated service. Its limit has only the effect that a row names. CPU time and
memory are drawn from recorded trials (noise/recorded.json), latency from distributions. For comparison, the benchmark
also applies the rule that fit used before: it compares the medians of the trials that the search ran anyway.
"""

import random
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tabulate import tabulate

from benchmarks import recorded_noise
from membudget.advise.answer import Ask, Purpose, SmallestLimit, ruled_out_rate
from membudget.advise.rung import Answers, Ended, Tried
from membudget.advise.search import Sought, search
from membudget.budgets.fit import FitSettings
from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, MIB

FITS = 500
NEED_BYTES = 100 * MIB
CPU_MS, P95_US = 1000, 20_000
SLOWDOWNS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
Draw = Callable[[random.Random], float]
"""A figure of one trial, as a multiple of the usual one."""


@dataclass
class Service:
    """A service that needs so much memory, and takes a noisy time."""

    dice: random.Random
    cpu: Draw
    p95: Draw
    slowdown: float = 0.0
    """How much slower it is under any limit."""
    spread_bytes: int = 0
    """How much its need differs from trial to trial."""
    asked: list[Ask] = field(default_factory=list)
    trials: list[Tried] = field(default_factory=list)

    def fit(self, *, seeks_comfort: bool = True) -> SmallestLimit | None:
        """Fit it. None if there is no answer."""
        asking = search(Sought(FitSettings(), 10, 16 * GIB, seeks_comfort=seeks_comfort))
        ask = next(asking)
        while True:
            self.asked.append(ask)
            self.trials.append(self._trial(ask.limit_bytes))
            try:
                ask = asking.send(self.trials[-1])
            except StopIteration as end:
                return end.value if isinstance(end.value, SmallestLimit) else None

    def _trial(self, limit: int | None) -> Tried:
        need = NEED_BYTES + self.dice.randrange(self.spread_bytes + 1)
        ended = Ended.KILLED if limit is not None and limit < need else Ended.PASSED
        p95 = round(P95_US * self.p95(self.dice) * self._slower(limit, self.p95))
        cpu_ms = round(CPU_MS * self.cpu(self.dice) * self._slower(limit, self.cpu))
        mark = min(need, limit) if limit is not None else need
        return Tried(limit, ended, None, 1000, mark, mark, cpu_ms, answers=Answers(1000, 1000, p95, p95, p95))

    def _slower(self, limit: int | None, figure: Draw) -> float:
        """Only what is noisy is slower: the other figure would show it at once."""
        return 1 + self.slowdown if limit is not None and figure is not _steady else 1.0

    def by_medians(self, answer: SmallestLimit) -> bool:
        """Whether the medians of the trials at the answer and of the first three without a limit say "slower"."""
        at = [trial for trial in self.trials if trial.limit_bytes == answer.survives_bytes][:11]
        free = [trial for trial in self.trials if trial.limit_bytes is None][:3]
        cpu, free_cpu = (statistics.median(trial.cpu_ms or 0 for trial in side) for side in (at, free))
        p95, free_p95 = (
            statistics.median((trial.answers.p95_us or 0) if trial.answers else 0 for trial in side)
            for side in (at, free)
        )
        return cpu - free_cpu > max(50, 0.05 * free_cpu) or p95 - free_p95 > max(1000, 0.1 * free_p95)


def main() -> None:
    """Print the tables."""
    sources = dict(_sources())
    headings = ["noise", "spread", "slower by medians", "slower", "not clear", "comfortable", "trials for comfort"]
    print(f"Services that no limit slows down, {FITS} fits each; tolerated: CPU time +5 %, p95 latency +10 %\n")
    print(tabulate([_row(name, draws, 0.0) for name, draws in sources.items()], headings, tablefmt="github"))
    print("\nServices that every limit slows down: slower / not clear / comfortable\n")
    rows = []
    for name in ("CPU time of jvm", "CPU time of batch", "p95, normal", "p95, normal, twice the spread"):
        found = [_counts(sources[name], slowdown)[0] for slowdown in SLOWDOWNS]
        rows.append([name, *(_shares(counts) for counts in found)])
    print(tabulate(rows, ["noise", *(f"+{slowdown:.0%}" for slowdown in SLOWDOWNS)], tablefmt="github"))
    print('\nServices whose memory differs from trial to trial: "not monotone", though more memory never hurts\n')
    headings = ["need differs by", "fits with an answer", "not monotone", "trials"]
    print(tabulate([_monotone(spread) for spread in (2, 5, 10, 20, 40)], headings, tablefmt="github"))
    print("\nServices whose memory differs from trial to trial: the answer in percent of what 99 % of trials need\n")
    headings = ["need", "confirmed", "median", "95 % of the fits at most", "fails more often than ruled out", "trials"]
    rows = [_distance(name, need, confirm) for name, need in _needs() for confirm in (10, 59)]
    print(tabulate(rows, headings, tablefmt="github"))


def _sources() -> Iterator[tuple[str, tuple[Draw, Draw, float]]]:
    """The draws of CPU time and of latency, and the larger standard deviation of both in percent."""
    for workload in recorded_noise.read(recorded_noise.RECORDED).workloads:
        values = workload.values(Metric.CPU_SECONDS)
        usual = statistics.median(values)
        multiples = [value / usual for value in values]
        spread = 100 * statistics.pstdev(multiples)
        yield f"CPU time of {workload.name}", (lambda dice, drawn=multiples: dice.choice(drawn), _steady, spread)  # type: ignore[misc]
    yield "p95, normal", (_steady, lambda dice: max(0.1, dice.gauss(1, 0.07)), 7)
    yield "p95, normal, twice the spread", (_steady, lambda dice: max(0.1, dice.gauss(1, 0.14)), 14)
    yield "p95, one trial in ten twice as slow", (_steady, lambda dice: 2.0 if dice.random() < 0.1 else 1.0, 30)
    yield "p95, log-normal", (_steady, lambda dice: dice.lognormvariate(0, 0.2), 20)


def _steady(_: random.Random) -> float:
    return 1.0


def _counts(draws: tuple[Draw, Draw, float], slowdown: float) -> tuple[Counter[str], float]:
    """What the fits say, and how many trials they took for it on average."""
    said: Counter[str] = Counter()
    trials = 0
    for seed in range(FITS):
        service = Service(random.Random(seed), draws[0], draws[1], slowdown)
        answer = service.fit()
        if answer is None or answer.comfortable is None:
            raise AssertionError("memory is the same in each trial")
        said["by medians"] += service.by_medians(answer)
        comfortable = answer.comfortable
        if comfortable.limit_bytes == answer.survives_bytes:
            said["comfortable"] += 1
        else:
            said["slower" if comfortable.is_clear else "not clear"] += 1
        trials += sum(ask.purpose in (Purpose.COMFORT, Purpose.REFERENCE) for ask in service.asked)
    return said, trials / FITS


def _row(name: str, draws: tuple[Draw, Draw, float], slowdown: float) -> list[str]:
    said, trials = _counts(draws, slowdown)
    shares = [f"{said[what] / FITS:.1%}" for what in ("by medians", "slower", "not clear", "comfortable")]
    return [name, f"{draws[2]:.0f} %", *shares, f"{trials:.1f}"]


def _shares(said: Counter[str]) -> str:
    return " / ".join(f"{said[what] / FITS:.0%}" for what in ("slower", "not clear", "comfortable"))


def _monotone(spread_mib: int) -> list[str]:
    services = [Service(random.Random(seed), _steady, _steady, spread_bytes=spread_mib * MIB) for seed in range(FITS)]
    answers = [answer for service in services if (answer := service.fit(seeks_comfort=False)) is not None]
    wrong = sum(not answer.is_monotone for answer in answers)
    trials = statistics.fmean(len(service.trials) for service in services)
    return [f"{spread_mib} MiB", str(len(answers)), f"{wrong / len(answers):.1%}", f"{trials:.1f}"]


_RECORDED_NEEDS = ("threads", "prefork", "gateway", "uploads")
"""The recorded workloads whose memory differs by more than a tenth from trial to trial, and not by the limit."""
_SMOOTHED = 0.3
"""A need is drawn from recorded marks, with a normal error of this share of their standard deviation."""
_SAMPLED = 20_000
_CACHE_BYTES = 200 * MIB


def _needs() -> Iterator[tuple[str, Draw]]:
    for workload in recorded_noise.read(recorded_noise.RECORDED).workloads:
        if workload.name in _RECORDED_NEEDS:
            marks = workload.values(Metric.PEAK_MEMORY)
            error = _SMOOTHED * statistics.pstdev(marks)

            def drawn(dice: random.Random, marks: list[int] = marks, error: float = error) -> float:
                return max(MIB, dice.choice(marks) + dice.gauss(0, error))

            yield f"kernel's mark of {workload.name}", drawn
    yield "100 to 140 MiB", lambda dice: MIB * dice.uniform(100, 140)
    yield "120 MiB, normal, 17 %", lambda dice: MIB * max(10, dice.gauss(120, 20))
    yield "100 MiB and an exponential tail", lambda dice: MIB * (100 + dice.expovariate(0.1))


@dataclass
class Uneven:
    """A service that needs another amount of memory in each trial, and fills the rest with page cache."""

    dice: random.Random
    need: Draw
    cache_bytes: int
    asked: int = 0

    def fit(self, confirmations: int) -> int | None:
        """Fit it, and return the limit that survives. None if there is none."""
        asking = search(Sought(FitSettings(), confirmations, 16 * GIB, seeks_comfort=False))
        ask = next(asking)
        while True:
            self.asked += 1
            try:
                ask = asking.send(self._trial(ask.limit_bytes))
            except StopIteration as end:
                return end.value.survives_bytes if isinstance(end.value, SmallestLimit) else None

    def _trial(self, limit: int | None) -> Tried:
        need = round(self.need(self.dice))
        ended = Ended.KILLED if limit is not None and limit < need else Ended.PASSED
        mark = need + self.cache_bytes if limit is None else min(need + self.cache_bytes, limit)
        rss = min(mark, round(_RSS_SHARE * need))
        return Tried(limit, ended, None, 1000, rss, mark, CPU_MS)


_RSS_SHARE = 0.97
"""How much of a service's need is RSS. The rest is the kernel's."""


def _distance(name: str, need: Draw, confirmations: int) -> list[str]:
    """How far the answers are above what a service needs. Half of the fits are of services with page cache."""
    dice = random.Random(0)
    needs = sorted(need(dice) for _ in range(_SAMPLED))
    enough = needs[int(0.99 * _SAMPLED)]
    services = [Uneven(random.Random(seed), need, _CACHE_BYTES * (seed % 2)) for seed in range(FITS)]
    answers = sorted(answer for service in services if (answer := service.fit(confirmations)) is not None)
    rates = [1 - bisect_right(needs, answer) / _SAMPLED for answer in answers]
    wrong = sum(rate > ruled_out_rate(confirmations) for rate in rates)
    return [
        name, f"{confirmations} of {confirmations}", f"{100 * statistics.median(answers) / enough:.0f} %",
        f"{100 * answers[int(0.95 * len(answers))] / enough:.0f} %", f"{wrong / len(answers):.1%}",
        f"{statistics.fmean(service.asked for service in services):.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
