"""How often a step that is told is none, and how often a real one is told of the right commit.

    make bench-step-search          SERIES=2000 for that many series

Series of a hundred commits are drawn from real trials, recorded once (noise/recorded.json): each commit has the median
of three. Otava suspects steps in them, and each suspicion goes through `check/step_search` with comparisons of further
trials, judged as a check judges them. First without any step, so that whatever is told is a false alarm. Then with a
step of 2, 5 or 10 % at a random commit.
"""

import os
import random
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tabulate import tabulate

from benchmarks import recorded_noise
from benchmarks.false_alarms import METRIC, spread
from membudget.build.revision import MainCommit
from membudget.check.step_pair import Answer, Compared
from membudget.check.step_search import Suspect, search
from membudget.history.line import HistoryLine
from membudget.history.series import Point, Series
from membudget.history.step_line import StepOutcome
from membudget.history.steps import Step, suspected_steps
from membudget.judge.evidence import Evidence, Proof, against_tolerance

COMMITS = 100
TRIALS_KEPT = 3
FEWEST, MOST = 3, 10
STEPS = (0.02, 0.05, 0.10)
MACHINE = "linux/amd64 cgroup-v2 2-cpus"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
ANSWERS = {Proof.BROKEN: Answer.GREW, Proof.OPEN: Answer.UNCLEAR}
BRANCH = [MainCommit(f"{number:040x}", number, f"commit {number}") for number in range(COMMITS)]


@dataclass
class Machine:
    """Measures commits by drawing trials of one workload. From a commit on, each needs more."""

    trials: Sequence[int]
    chance: random.Random
    step: float = 0.0
    place: int = COMMITS
    comparisons: int = field(default=0)

    def drawn(self, commit: int) -> int:
        """One trial of a commit."""
        return round(self.chance.choice(self.trials) * (1 + self.step if commit >= self.place else 1))

    def series(self) -> Series:
        """What the history has of the branch."""
        return Series("api", METRIC, tuple(Point(commit, self._line(commit)) for commit in BRANCH))

    def _line(self, commit: MainCommit) -> HistoryLine:
        samples = tuple(self.drawn(commit.time_s) for _ in range(TRIALS_KEPT))
        return HistoryLine(
            v=1, image="api", metric=METRIC, commit=commit.sha, time=NOW, value=round(statistics.median(samples)),
            samples=samples, trials=TRIALS_KEPT, machine=MACHINE, membudget="0",
        )  # fmt: skip

    def compare(self, base: MainCommit, head: MainCommit, tolerated: int, *, is_told: bool) -> Compared:
        """Draw trials of both until the answer is settled, as a check does."""
        del is_told
        self.comparisons += 1
        before: list[int] = []
        after: list[int] = []
        evidence: Evidence | None = None
        for count in range(1, MOST + 1):
            before.append(self.drawn(base.time_s))
            after.append(self.drawn(head.time_s))
            if count >= FEWEST:
                evidence = against_tolerance(before, after, tolerated)
                if evidence.is_settled:
                    break
        assert evidence is not None
        seems_grown = statistics.median(after) - statistics.median(before) > tolerated
        return Compared(ANSWERS.get(evidence.proof, Answer.STEADY), seems_grown=seems_grown)


def told(machine: Machine) -> tuple[int, list[tuple[int, int]]]:
    """How many steps are suspected, and between which commits the told ones are."""
    suspected = [step for step in suspected_steps([machine.series()]) if step.is_worse]
    found = [search(_suspect(step), machine.compare, lambda: True) for step in suspected]
    confirmed = [one for one in found if one is not None and one.outcome is StepOutcome.CONFIRMED]
    return len(suspected), [(one.since.time_s, one.until.time_s) for one in confirmed]


def _suspect(step: Step) -> Suspect:
    commits = BRANCH[step.search_from.time_s : step.search_to.time_s + 1]
    return Suspect("api", METRIC, abs(step.growth), commits, (step.before.sha, step.after.sha))


def main() -> None:
    """Print the tables."""
    recorded = recorded_noise.read()
    series = int(os.environ.get("SERIES", "1000"))
    workloads = {workload.name: workload.values(METRIC) for workload in recorded.workloads}
    print(recorded.machine)
    print(f"{METRIC}: series of {COMMITS} commits, the median of {TRIALS_KEPT} trials each\n")
    print(f"Without a step: {series} series\n")
    headings = ("workload", "spread", "series", "suspected", "told", "comparisons of a suspicion")
    rows = [_calm(name, values, series // len(workloads)) for name, values in workloads.items()]
    print(tabulate(rows, headings, tablefmt="github", disable_numparse=True))
    each = max(1, series // 10 // len(workloads))
    print(f"\nWith a step: {each} series each; told of the right commit / of a range with it / wrong / not told\n")
    found = [_stepped(name, values, each) for name, values in workloads.items()]
    print(tabulate(found, ("workload", *(f"{step:.0%}" for step in STEPS)), tablefmt="github", disable_numparse=True))
    print("\n* the step is more than twice the spread")


def _calm(name: str, values: Sequence[int], count: int) -> list[str]:
    chance, suspected, alarms, comparisons = random.Random(20_261_128), 0, 0, 0
    for _ in range(count):
        machine = Machine(values, chance)
        suspicions, found = told(machine)
        suspected += suspicions
        alarms += len(found)
        comparisons += machine.comparisons
    share = f"{100 * spread(values) / statistics.median(values):.2f} %"
    each = f"{comparisons / suspected:.2f}" if suspected else "-"
    return [name, share, str(count), str(suspected), str(alarms), each]


def _stepped(name: str, values: Sequence[int], count: int) -> list[str]:
    cells = [name]
    for step in STEPS:
        chance, outcomes = random.Random(20_261_129), Counter[str]()
        for _ in range(count):
            place = chance.randrange(20, COMMITS - 10)
            outcomes[_outcome(Machine(values, chance, step, place), place)] += 1
        mark = "*" if step * statistics.median(values) > 2 * spread(values) else ""
        cells.append(" / ".join(str(outcomes[name]) for name in ("right", "range", "wrong", "missed")) + mark)
    return cells


def _outcome(machine: Machine, place: int) -> str:
    _, found = told(machine)
    if (place - 1, place) in found:
        return "right" if len(found) == 1 else "wrong"
    if any(since < place <= until for since, until in found):
        return "range"
    return "wrong" if found else "missed"


if __name__ == "__main__":
    main()
