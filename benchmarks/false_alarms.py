"""How often a verdict on growth is wrong: false alarms of pairs that do not differ, and regressions that are missed.

    make bench-false-alarms

The trials are real ones, recorded once (noise/recorded.json); pairs are drawn from them without replacement, so that
base and head come from one image, and beside that in the order in which they ran, for what drifts. A regression is
injected by adding it to every trial of the head. The rule is the one the check itself uses: trials in rounds, from
`min` on until the answer is settled, at most `max`.
"""

import random
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tabulate import tabulate

from benchmarks import recorded_noise
from membudget.budgets.rules import Tolerance
from membudget.budgets.trial_count import TrialCount
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB, format_size
from membudget.judge.bounds import tolerated_growth
from membudget.judge.evidence import Proof, against_tolerance

PAIRS = 100
DRAWN_ANEW = 20
"""How often the hundred pairs are drawn: a rate of 1 % cannot be told from one hundred."""
TRIALS = TrialCount()
"""The default of a budgets file."""
TOLERANCES = (Tolerance(5, 1 * MIB), Tolerance(1, 256 * 1024))
NAIVE_PERCENT = 5
INJECTED: tuple[tuple[str, float, int], ...] = (
    ("2 %", 0.02, 0), ("5 %", 0.05, 0), ("10 %", 0.10, 0), ("2 MiB", 0, 2 * MIB), ("8 MiB", 0, 8 * MIB),
)  # fmt: skip
METRIC = Metric.PEAK_RSS


@dataclass(frozen=True, slots=True)
class Pair:
    """The trials of two sides, as many as there may be."""

    base: tuple[int, ...]
    head: tuple[int, ...]

    def with_regression(self, share: float, size: int) -> "Pair":
        """The same with a head that uses more."""
        return Pair(self.base, tuple(round(value * (1 + share)) + size for value in self.head))


def main() -> None:
    """Print the tables."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else recorded_noise.RECORDED
    recorded = recorded_noise.read(path)
    print(recorded.machine)
    print(f"{METRIC}, trials {TRIALS.min} to {TRIALS.max} a side; {PAIRS} pairs, drawn {DRAWN_ANEW} times\n")
    values = {workload.name: workload.values(METRIC) for workload in recorded.workloads}
    in_order = f"{_words(TOLERANCES[0])}, in order"
    headings = ("workload", "median", "spread", *map(_words, TOLERANCES), in_order, "trials a side", "naive rule")
    rows = [_alarms(name, recorded) for name, recorded in values.items()]
    print("False alarms (failed or inconclusive), of pairs that do not differ\n")
    print(tabulate(rows, headings, tablefmt="github", disable_numparse=True))
    for tolerance in TOLERANCES:
        print(f"\nRegressions, tolerance {_words(tolerance)}: failed / inconclusive / within noise / passed\n")
        found = [_misses(name, recorded, tolerance) for name, recorded in values.items()]
        print(
            tabulate(found, ("workload", *(name for name, _, _ in INJECTED)), tablefmt="github", disable_numparse=True)
        )
    print("\n* beyond the tolerance by twice the spread: at least 95 % have to be found")


def _alarms(name: str, values: Sequence[int]) -> list[str]:
    cells = [
        name,
        format_size(round(statistics.median(values))),
        f"{100 * spread(values) / statistics.median(values):.1f} %",
    ]
    used = []
    for tolerance in TOLERANCES:
        outcomes = [judged(pair, tolerance) for pair in pairs(values)]
        alarms = sum(answer in (Proof.BROKEN, Proof.OPEN) for answer, _ in outcomes)
        used += [count for _, count in outcomes]
        cells.append(f"{100 * alarms / len(outcomes):.2f} %")
    drifting = [judged(pair, TOLERANCES[0])[0] for pair in windows(values)]
    alarms = sum(answer in (Proof.BROKEN, Proof.OPEN) for answer in drifting)
    cells.append(f"{alarms} of {len(drifting)}")
    naive = [pair.head[0] > pair.base[0] * (1 + NAIVE_PERCENT / 100) for pair in pairs(values)]
    return [*cells, f"{statistics.fmean(used):.1f}", f"{100 * sum(naive) / len(naive):.1f} %"]


def _misses(name: str, values: Sequence[int], tolerance: Tolerance) -> list[str]:
    cells = [name]
    median = round(statistics.median(values))
    for _, share, size in INJECTED:
        outcomes = Counter(judged(pair.with_regression(share, size), tolerance)[0] for pair in pairs(values))
        beyond = median * share + size - tolerated_growth(median, tolerance)
        mark = "*" if beyond > 0 and beyond >= 2 * spread(values) else ""
        every = (Proof.BROKEN, Proof.OPEN, Proof.WITHIN_NOISE, Proof.KEPT)
        total = PAIRS * DRAWN_ANEW
        cells.append(" / ".join(f"{100 * outcomes[answer] / total:.1f}" for answer in every) + mark)
    return cells


def pairs(values: Sequence[int]) -> Iterator[Pair]:
    """Pairs of one image with itself."""
    return iter(_pairs(tuple(values)))


def windows(values: Sequence[int]) -> Iterator[Pair]:
    """Trials as they followed one another, dealt to two sides in turns (ABBA): what drifts, drifts for both."""
    for begin in range(len(values) - 2 * TRIALS.max + 1):
        sides: tuple[list[int], list[int]] = [], []
        for number in range(TRIALS.max):
            two = values[begin + 2 * number : begin + 2 * number + 2]
            for side, value in zip(sides if number % 2 else reversed(sides), two, strict=True):
                side.append(value)
        yield Pair(tuple(sides[0]), tuple(sides[1]))


@cache
def _pairs(values: tuple[int, ...]) -> list[Pair]:
    chance = random.Random(20_261_124)
    drawn = (chance.sample(values, 2 * TRIALS.max) for _ in range(PAIRS * DRAWN_ANEW))
    return [Pair(tuple(one[: TRIALS.max]), tuple(one[TRIALS.max :])) for one in drawn]


def judged(pair: Pair, tolerance: Tolerance) -> tuple[Proof, int]:
    """The answer, and how many trials a side it took."""
    for count in range(TRIALS.min, TRIALS.max + 1):
        base, head = pair.base[:count], pair.head[:count]
        evidence = against_tolerance(base, head, tolerated_growth(round(statistics.median(base)), tolerance))
        if evidence.is_settled:
            return evidence.proof, count
    return evidence.proof, TRIALS.max


def spread(values: Sequence[int]) -> float:
    """The distance between the quartiles."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def _words(tolerance: Tolerance) -> str:
    return f"{tolerance.percent:g} % and {format_size(tolerance.floor)}"


if __name__ == "__main__":
    main()
