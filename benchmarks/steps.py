"""How often membudget reports noise as a step, and whether it finds planted steps at their commit.

    make bench-steps                       # SERIES=10 for a quick look

Years of a main branch are made of real trials, recorded once (noise/recorded.json). Each commit has three neighbouring
trials. A job looks at the history after each commit, as a nightly job does: it suspects steps, and measures each
suspicion again by the code of `membudget history steps`. Such a comparison takes blocks of four neighbouring trials,
dealt to the two sides in turns (ABBA), so that what drifts, drifts for both. A step is planted by adding it to every
trial of the commits from one on.
"""

import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tabulate import tabulate

from benchmarks import recorded_noise
from benchmarks.false_alarms import spread
from membudget.build.revision import MainCommit
from membudget.check.step_pair import MOST_TRIALS, ComparedCommits, MetricGrowth
from membudget.check.step_search import search
from membudget.check.step_suspect import Suspect
from membudget.core.metrics import Metric
from membudget.core.quantities import format_size
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.history.step_line import StepLine, StepOutcome, earlier_search, search_range
from membudget.history.steps import SMALLEST_PERCENT, SuspectedStep, suspected_steps
from membudget.judge.evidence import Proof, against_tolerance
from tests.support.history import MACHINE, NOW, line

METRIC = Metric.PEAK_RSS
COMMITS = 250
"""A year with a commit on each working day."""
FIRST_LOOK = 10
TRIALS = 3
"""The trials of a commit: as many as `check` runs where nothing is unclear."""
SERIES = int(os.environ.get("SERIES", "100"))
"""For each workload: ten times as many in all."""
GROWTH = (0.02, 0.05, 0.10)
FOLLOWED = 40
"""How many commits a planted step has to be found in."""
BRANCH = tuple(MainCommit(f"{number:040x}", 1_760_000_000 + 86_400 * number, "") for number in range(COMMITS))
PLACES = {commit.sha: number for number, commit in enumerate(BRANCH)}
ANSWERS = {Proof.BROKEN: MetricGrowth.GREW, Proof.OPEN: MetricGrowth.UNCLEAR}


@dataclass(frozen=True, slots=True)
class Told:
    """A step that membudget reports."""

    since: int
    """The last commit before it."""
    until: int
    look: int
    """The newest commit when membudget reported it."""


@dataclass(slots=True)
class Year:
    """A year of one workload, measured commit by commit."""

    trials: Sequence[int]
    chance: random.Random
    planted: int | None = None
    """The first commit with a step."""
    growth: float = 0
    spread_over: int = 1
    """How many commits do the step, each the same part of it."""
    points: list[SeriesPoint] = field(default_factory=list)
    lines: list[StepLine] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    suspected: list[SuspectedStep] = field(default_factory=list)
    """Every suspicion that was measured again."""
    trials_run: int = 0

    def grow(self, commits: int) -> None:
        """Add the next commits to the history."""
        for number in range(len(self.points), len(self.points) + commits):
            value = round(statistics.median(self._at(number, self._neighbours(TRIALS))))
            kept = line(BRANCH[number].sha).model_copy(update={"value": value, "samples": ()})
            self.points.append(SeriesPoint(BRANCH[number], kept))

    def suspicions(self) -> tuple[SuspectedStep, ...]:
        """Return what arithmetic alone suspects now."""
        return suspected_steps([MetricSeries("api", METRIC, tuple(self.points))])

    def look(self) -> None:
        """Do what a nightly job does: measure what is suspected and worse, and was not measured yet."""
        suspected = self.suspicions()
        for step in suspected:
            if step.is_worse and earlier_search(step, self.lines, PLACES, NOW, suspected) is None:
                self._search(step)

    def _search(self, step: SuspectedStep) -> None:
        self.suspected.append(step)
        first, last = search_range(step, self.lines, PLACES)
        commits = BRANCH[first : last + 1]
        suspect = Suspect("api", METRIC, step.growth, commits, (step.before.sha, step.after.sha))
        found = search(suspect, self._compare, lambda: True)
        assert found is not None
        since, until = found.since.sha, found.until.sha
        self.lines.append(
            StepLine(
                image="api", metric=METRIC, commit=until, since=since, outcome=found.outcome, time=NOW, machine=MACHINE,
                membudget="0.1.0",
            )
        )  # fmt: skip
        if found.outcome is StepOutcome.CONFIRMED:
            self.told.append(Told(PLACES[since], PLACES[until], len(self.points) - 1))

    def _compare(self, base: MainCommit, head: MainCommit, tolerated: int, *, is_told: bool) -> ComparedCommits:  # noqa: ARG002
        sides: tuple[list[int], list[int]] = [], []
        for _ in range(MOST_TRIALS // 2):
            first, second, third, fourth = self._neighbours(4)
            sides[0].extend((first, fourth))
            sides[1].extend((second, third))
        before, after = self._at(PLACES[base.sha], sides[0]), self._at(PLACES[head.sha], sides[1])
        for count in range(TRIALS, MOST_TRIALS + 1):
            evidence = against_tolerance(before[:count], after[:count], tolerated)
            if evidence.is_settled:
                break
        self.trials_run += 2 * count
        grown = statistics.median(after[:count]) - statistics.median(before[:count])
        return ComparedCommits(ANSWERS.get(evidence.proof, MetricGrowth.STEADY), None, seems_grown=grown > tolerated)

    def _neighbours(self, count: int) -> list[int]:
        first = self.chance.randrange(len(self.trials))
        return [self.trials[(first + number) % len(self.trials)] for number in range(count)]

    def _at(self, commit: int, values: Sequence[int]) -> list[int]:
        done = min(commit - self.planted + 1, self.spread_over) if self.planted is not None else 0
        growth = self.growth * done / self.spread_over if done > 0 else 0
        return [round(value * (1 + growth)) if growth else value for value in values]


def main() -> None:
    """Print the tables."""
    recorded = recorded_noise.read()
    values = {workload.name: workload.values(METRIC) for workload in recorded.workloads}
    print(recorded.machine)
    print(f"{datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    print(f"{METRIC} of {COMMITS} commits, looked at after each commit\n")
    print(f"Nothing planted: {SERIES} years of each workload\n")
    headings = ("workload", "median", "spread", "years with a suspicion", "suspicions a year", "trials a year", "told")
    _print([_nothing_planted(name, of) for name, of in values.items()], headings)
    print(f"\nPlanted, {SERIES} of each: told at the commit / as a range / wrongly / suspected at the commit\n")
    names = ("workload", *(f"{100 * growth:g} %" for growth in GROWTH), "twice the spread", "trials", "commits later")
    _print([_planted(name, of) for name, of in values.items()], names)
    print("\n* larger than twice the spread: at least 95 % have to be told at the right commit")


def _nothing_planted(name: str, values: Sequence[int]) -> list[str]:
    begun = time.process_time()
    years = [Year(values, random.Random(f"{name} {number}")) for number in range(SERIES)]
    for year in years:
        year.grow(FIRST_LOOK)
        while len(year.points) < COMMITS:
            year.grow(1)
            year.look()
    with_any = sum(bool(year.suspicions()) for year in years)
    looks = SERIES * (COMMITS - FIRST_LOOK)
    print(f"  {name}: {1000 * (time.process_time() - begun) / looks:.1f} ms of CPU for a look", flush=True)
    return [
        name,
        format_size(round(statistics.median(values))),
        f"{100 * spread(values) / statistics.median(values):.1f} %",
        f"{100 * with_any / SERIES:.0f} %",
        f"{statistics.fmean(len(year.suspected) for year in years):.1f}",
        f"{statistics.fmean(year.trials_run for year in years):.0f}",
        f"{sum(bool(year.told) for year in years)} of {SERIES}",
    ]


def _planted(name: str, values: Sequence[int]) -> list[str]:
    twice = 2 * spread(values) / statistics.median(values)
    cells, years = [name], []
    for growth in (*GROWTH, twice):
        if 100 * growth < SMALLEST_PERCENT:
            cells.append("too small")
            continue
        made = [_year_with_step(name, values, growth, number) for number in range(SERIES)]
        cells.append(_outcome(made) + ("*" if twice <= growth in GROWTH else ""))
        years += made if growth >= max(twice, GROWTH[0]) else []
    later = sorted(year.told[0].look - (year.planted or 0) for year in years if year.told)
    cells.append(f"{statistics.fmean(year.trials_run for year in years):.0f}" if years else "-")
    cells.append(f"{later[len(later) // 2]}, {later[len(later) * 95 // 100]}" if later else "-")
    print(f"  {name}", flush=True)
    return cells


def _year_with_step(name: str, values: Sequence[int], growth: float, number: int) -> Year:
    chance = random.Random(f"{name} {growth} {number}")
    planted = chance.randrange(40, COMMITS - FOLLOWED)
    year = Year(values, chance, planted, growth)
    year.grow(planted)
    while len(year.points) < planted + FOLLOWED and not year.told:
        year.grow(1)
        year.look()
    return year


def _outcome(years: Sequence[Year]) -> str:
    right = sum(any(told.until == year.planted == told.since + 1 for told in year.told) for year in years)
    around = sum(any(told.since < (year.planted or 0) <= told.until for told in year.told) for year in years) - right
    wrong = sum(bool(year.told) for year in years) - right - around
    places = [{PLACES[step.after.sha] for step in year.suspected} for year in years]
    alone = sum(year.planted in found for year, found in zip(years, places, strict=True))
    return " / ".join(f"{100 * count / len(years):.0f}" for count in (right, around, wrong, alone))


def _print(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    print(tabulate(rows, headings, tablefmt="github", disable_numparse=True), flush=True)


if __name__ == "__main__":
    main()
