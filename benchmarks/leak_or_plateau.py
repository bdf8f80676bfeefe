"""Leak or plateau: how often each test is right, on generated soaks whose truth is known.

    make bench-leak-or-plateau           # CASES=50 for a quick look

A case is a service with its own parameters, soaked in several trials of base and head: the shape is the service's, the
noise (autocorrelated, 1 % unless said) and the phase of a saw are the trial's. A leak is added to head alone. The
shares are of cases in which a leak was found, by `judge/leak.py` and by three tests that people use alone, each on
head's first trial with its usual threshold:

- OLS: least squares, slope above zero with r² of 0.8 or more.
- Mann-Kendall: a monotonic trend upwards, p < 0.05.
- Theil-Sen: median slope above 2 % of the level over the soak.
"""

import math
import os
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from tabulate import tabulate

from membudget.core.quantities import MIB
from membudget.judge.leak import SoakSeries, Trend, judge_soak

CASES = int(os.environ.get("CASES", "400"))
TRIALS = 5
SAMPLES = 120
SOAK_MS = 60_000
_LEVEL_MIB = 100.0
_AUTOCORRELATION = 0.7
_NORMAL_95 = 1.645

Shape = Callable[[float], float]
"""MiB above the level, by the share of the soak that has passed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of service."""

    name: str
    draw: Callable[[random.Random], Callable[[random.Random], Shape]]
    """A service's own parameters; then, for each trial, its shape."""
    noise: float = 0.01


def flat(service: random.Random) -> Callable[[random.Random], Shape]:
    """Nothing happens."""
    del service
    return lambda _: lambda _: 0.0


def saturating(smallest_mib: float, largest_mib: float, fastest: float, slowest: float) -> Callable[
    [random.Random], Callable[[random.Random], Shape]
]:  # fmt: skip
    """Something fills up, ever slower."""

    def draw(service: random.Random) -> Callable[[random.Random], Shape]:
        height, tau = service.uniform(smallest_mib, largest_mib), service.uniform(fastest, slowest)
        return lambda _: lambda time: height * (1 - math.exp(-time / tau))

    return draw


def step(service: random.Random) -> Callable[[random.Random], Shape]:
    """Something is loaded once, in each trial at another time."""
    height = service.uniform(5, 20)

    def of_trial(trial: random.Random) -> Shape:
        at = trial.uniform(0.1, 0.9)
        return lambda time: height if time >= at else 0.0

    return of_trial


def saw(service: random.Random) -> Callable[[random.Random], Shape]:
    """A garbage collector, 20 % of the level high."""
    period = service.uniform(0.04, 0.12)

    def of_trial(trial: random.Random) -> Shape:
        phase = trial.random()
        return lambda time: 0.2 * _LEVEL_MIB * ((time / period + phase) % 1)

    return of_trial


CLEAN = [
    Kind("flat, noise 0.3 %", flat, 0.003),
    Kind("flat, noise 1 %", flat, 0.01),
    Kind("flat, noise 3 %", flat, 0.03),
    Kind("warm-up plateau", saturating(10, 30, 0.05, 0.15)),
    Kind("saturating cache", saturating(20, 60, 0.15, 0.4)),
    Kind("step", step),
    Kind("saw of 20 %", saw),
]
LEAKING = [kind for kind in CLEAN if not kind.name.startswith("step")]


def main() -> int:
    """Print the table."""
    rows = [_row(kind, 0.0) for kind in CLEAN]
    rows += [_row(kind, leak) for leak in (0.05, 0.10) for kind in LEAKING]
    print(f"\n{CASES} cases a row, {TRIALS} trials a side, {SAMPLES} samples a trial\n")
    headings = ["series", "leak", "membudget, base and head", "undecided", "membudget, head alone", "undecided",
                "OLS", "Mann-Kendall", "Theil-Sen"]  # fmt: skip
    print(tabulate(rows, headings, tablefmt="github"))
    return 0


def _row(kind: Kind, leak: float) -> list[str]:
    found: Counter[str] = Counter()
    for number in range(CASES):
        rng = random.Random(f"{kind.name} {leak} {number}")
        of_trial = kind.draw(rng)
        head = [_series(of_trial(rng), kind.noise, leak, rng) for _ in range(TRIALS)]
        base = [_series(of_trial(rng), kind.noise, 0.0, rng) for _ in range(TRIALS)]
        found.update(_found(head, base))
    columns = ("paired", "paired undecided", "alone", "alone undecided", "OLS", "Mann-Kendall", "Theil-Sen")
    return [kind.name, f"{leak:.0%}" if leak else "none", *(f"{100 * found[name] / CASES:.1f} %" for name in columns)]


def _found(head: Sequence[SoakSeries], base: Sequence[SoakSeries]) -> Iterator[str]:
    for name, verdict in (("paired", judge_soak(head, base)), ("alone", judge_soak(head))):
        assert verdict is not None
        if verdict.trend is Trend.GROWTH:
            yield name
        elif verdict.trend is Trend.UNDECIDED:
            yield f"{name} undecided"
    single = [float(value) for value in head[0].rss_bytes]
    times = [float(time) for time in head[0].time_ms]
    if statistics.linear_regression(times, single).slope > 0 and statistics.correlation(times, single) ** 2 >= 0.8:
        yield "OLS"
    if mann_kendall(single) > _NORMAL_95:
        yield "Mann-Kendall"
    slopes = ((single[j] - single[i]) / (times[j] - times[i]) for i, j in combinations(range(len(single)), 2))
    if statistics.median(slopes) * SOAK_MS > 0.02 * statistics.fmean(single):
        yield "Theil-Sen"


def mann_kendall(values: Sequence[float]) -> float:
    """Its statistic, normal where there is no trend (Mann 1945, Kendall 1975; without ties)."""
    count = len(values)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    return (score - (score > 0) + (score < 0)) / deviation


def _series(shape: Shape, noise: float, leak: float, trial: random.Random) -> SoakSeries:
    times = [number / (SAMPLES - 1) for number in range(SAMPLES)]
    errors = _noise(noise, trial)
    rss = [round(MIB * ((_LEVEL_MIB + shape(time)) * (1 + next(errors)) + leak * _LEVEL_MIB * time)) for time in times]
    return SoakSeries([time * SOAK_MS for time in times], rss)


def _noise(size: float, trial: random.Random) -> Iterator[float]:
    error = trial.gauss(0, size)
    while True:
        yield error
        error = _AUTOCORRELATION * error + trial.gauss(0, size * math.sqrt(1 - _AUTOCORRELATION**2))


if __name__ == "__main__":
    sys.exit(main())
