"""How often a maximum is missed, or fails by chance: the median's rule, and `every = true`.

    make bench-every-trial

A service stays below its maximum, but for a share of its trials, which are far above. The rates are computed from the
binomial distribution and checked by simulation: both judge with the check's own code. The trials are fixed in number,
and beside that as many as the check takes: from `min` on until the answer is settled, at most `max`.
"""

import random
import statistics
from dataclasses import dataclass
from functools import cache
from math import comb

from tabulate import tabulate

from membudget.budgets.rules import EffectiveBudget
from membudget.budgets.trial_count import TrialCount
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.evidence import Samples
from membudget.judge.metric import Verdict, judge_metric

SHARES = (0.01, 0.05, 0.20, 0.50, 0.80)
"""How many of the service's trials are above the maximum."""
COUNTS = (3, 5, 10)
TRIALS = TrialCount()
"""The default of a budgets file."""
SIMULATED = 100_000
MEDIAN = EffectiveBudget(96 * MIB)
EVERY = EffectiveBudget(96 * MIB, every=True)
_BELOW, _ABOVE = 10 * MIB, 200 * MIB
_VERDICTS = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each verdict is reached."""

    shares: dict[Verdict, float]
    trials: float
    """How many are run on average."""

    @property
    def cell(self) -> str:
        """Failed, inconclusive, warned of, passed, in percent."""
        return " / ".join(f"{100 * self.shares[verdict]:.1f}" for verdict in _VERDICTS)


def main() -> None:
    """Print the tables."""
    headings = ("trials above", *(f"{count} trials" for count in COUNTS), f"{TRIALS.min} to {TRIALS.max}", "trials run")
    for name, budget in (("median", MEDIAN), ("every = true", EVERY)):
        rows = []
        furthest = 0.0
        for share in SHARES:
            fixed = [computed(budget, share, count) for count in COUNTS]
            drawn = [simulated(budget, share, count, count) for count in COUNTS]
            furthest = max([furthest, *map(_distance, fixed, drawn)])
            as_run = simulated(budget, share, TRIALS.min, TRIALS.max)
            rows.append((f"{100 * share:g} %", *(one.cell for one in (*fixed, as_run)), f"{as_run.trials:.1f}"))
        print(f"\n{name}: failed / inconclusive / warned of / passed, in percent\n")
        print(tabulate(rows, headings, tablefmt="github", disable_numparse=True))
        print(f"\nsimulation ({SIMULATED:,} services a cell) and computation differ by {100 * furthest:.2f} at most")


def computed(budget: EffectiveBudget, share: float, count: int) -> Rates:
    """The exact rates of `count` trials: over how many of them are above."""
    shares = dict.fromkeys(_VERDICTS, 0.0)
    for above in range(count + 1):
        verdict, _ = judged(budget, above, count)
        shares[verdict] += comb(count, above) * share**above * (1 - share) ** (count - above)
    return Rates(shares, count)


def simulated(budget: EffectiveBudget, share: float, least: int, most: int) -> Rates:
    """The rates of services whose trials are drawn, judged after each from `least` on, as the check does it."""
    chance = random.Random(20_261_125)
    shares = dict.fromkeys(_VERDICTS, 0.0)
    used = 0
    for _ in range(SIMULATED):
        above = sum(chance.random() < share for _ in range(least))
        count = least
        verdict, settled = judged(budget, above, count)
        while not settled and count < most:
            above += chance.random() < share
            count += 1
            verdict, settled = judged(budget, above, count)
        shares[verdict] += 1 / SIMULATED
        used += count
    return Rates(shares, used / SIMULATED)


@cache
def judged(budget: EffectiveBudget, above: int, count: int) -> tuple[Verdict, bool]:
    """What the check says of `count` trials, `above` of them above, and whether it would run no more."""
    values = (_ABOVE,) * above + (_BELOW,) * (count - above)
    median = MetricValue.of(Metric.PEAK_RSS, round(statistics.median(values)))
    row = judge_metric(Metric.PEAK_RSS, None, median, budget, Samples(head=values))
    assert row.verdict is not None
    return row.verdict, row.is_settled


def _distance(one: Rates, other: Rates) -> float:
    return max(abs(one.shares[verdict] - other.shares[verdict]) for verdict in _VERDICTS)


if __name__ == "__main__":
    main()
