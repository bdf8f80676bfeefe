"""How near to the peak the look at the processes is: 100 trials each of a program that peaks for 50 ms.

    make bench-near-peak        # TRIALS=10 for a quick look, CASES=1 for the first program alone

For each: in how many trials the look saw 90 % of the peak or more, the worst and the median share, how much of what it
saw its processes add up to, and what the looks cost. The pause before the peak differs from trial to trial, so that no
rhythm of the probe's decides. Takes about fifteen minutes; figures in docs/measurements.md.
"""

import os
import random
import statistics
import sys
from dataclasses import dataclass

from tabulate import tabulate

from benchmarks.truth import Bench, Trials, bench
from membudget.core.quantities import MIB
from membudget.measure.trial import Trial
from membudget.report.at_peak import NEAR
from membudget.report.causes import breakdown

TRIALS = int(os.environ.get("TRIALS", "100"))
_CASES = int(os.environ.get("CASES", "5"))
HELD_MS = 50
_SEED = 20_261_127

HEADINGS = ["program", "90 % of the peak or more", "median", "worst", "in its processes", "CPU of the looks, median"]


@dataclass(frozen=True)
class Case:
    """A program with one peak."""

    name: str
    base_mib: int
    spike_mib: int
    limit_mib: int | None = None
    words: tuple[str, ...] = ()

    @property
    def peak_bytes(self) -> int:
        """The memory that the program holds at its peak."""
        return (self.base_mib + self.spike_mib) * MIB


CASES = (
    Case("20 MiB, then 64 more", 20, 64),
    Case("100 MiB, then 20 more", 100, 20),
    Case("the same near its limit of 128 MiB", 100, 20, limit_mib=128),
    Case("20 MiB, then 400 more", 20, 400),
    Case("20 MiB, then 64 more, in a child", 20, 64, words=("child",)),
)


@dataclass(frozen=True)
class Seen:
    """What the look of a trial saw, as shares."""

    of_peak: float
    in_processes: float
    cpu_us: int


def main() -> int:
    """Print the table. Return 1 if too few looks were near the peak."""
    with bench() as on:
        print(f"\n{on.where}; {TRIALS} trials each, the peak held for {HELD_MS} ms, 100 Hz\n")
        seen = [measured(on, case) for case in CASES[:_CASES]]
    print(tabulate([row(case, looks) for case, looks in zip(CASES, seen, strict=False)], HEADINGS, tablefmt="github"))
    near = min(sum(look.of_peak >= NEAR for look in looks) for looks in seen)
    return 0 if near >= 0.95 * TRIALS else 1


def measured(on: Bench, case: Case) -> list[Seen]:
    """Run the trials of one case."""
    chance = random.Random(_SEED)
    with on.trials(100, highest_rate_hz=1000) as trials:
        return [_seen(case, _run(trials, case, chance.randrange(60, 400))) for _ in range(TRIALS)]


def _run(trials: Trials, case: Case, pause_ms: int) -> Trial:
    return trials.run(case.base_mib, case.spike_mib, HELD_MS, 1, pause_ms, *case.words, limit_mib=case.limit_mib)


def _seen(case: Case, trial: Trial) -> Seen:
    snapshot, effort = trial.snapshot, trial.certificate.effort if trial.certificate is not None else None
    cpu_us = effort.snapshots_cpu_us if effort is not None else 0
    if snapshot is None:
        return Seen(0.0, 0.0, cpu_us)
    held = sum(program.bytes for program in breakdown(snapshot).programs)
    return Seen(snapshot.seen_bytes / case.peak_bytes, held / max(1, snapshot.seen_bytes), cpu_us)


def row(case: Case, looks: list[Seen]) -> list[str]:
    """Return the figures of one case."""
    shares = [look.of_peak for look in looks]
    return [
        case.name,
        f"{sum(share >= NEAR for share in shares)} of {len(looks)}",
        f"{100 * statistics.median(shares):.1f} %",
        f"{100 * min(shares):.1f} %",
        f"{100 * min(look.in_processes for look in looks):.1f} % or more",
        f"{statistics.median(look.cpu_us for look in looks) / 1000:.1f} ms",
    ]


if __name__ == "__main__":
    sys.exit(main())
