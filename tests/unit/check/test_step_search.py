"""The search for the commit that did a step, on comparisons that are made up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.build.revision import MainCommit
from membudget.check.step_pair import ComparedCommits, MetricGrowth
from membudget.check.step_search import Searched, proven_by, search
from membudget.check.step_suspect import SearchBegun, Suspect, suspect_of
from membudget.cli.history_steps import step_report
from membudget.cli.history_tell import step_line
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.step_line import MOST_SKIPPED, StepLine, StepOutcome, earlier_search, places_of
from membudget.history.steps import SuspectedStep
from tests.support.builders import report
from tests.support.history import MACHINE
from tests.support.proven_steps import comparison

GROWTH = 8_000


@dataclass
class History:
    """A branch whose commits hold so much memory. None: it does not build."""

    values: Sequence[int | None]
    noise: Mapping[tuple[int, int], MetricGrowth] = field(default_factory=dict)
    """Answers of comparisons that noise decides."""
    compared: list[tuple[int, int, bool]] = field(default_factory=list)

    @property
    def commits(self) -> list[MainCommit]:
        return [MainCommit(f"{number:040x}", number, f"commit {number}") for number in range(len(self.values))]

    def compare(self, base: MainCommit, head: MainCommit, tolerated: int, *, is_told: bool) -> ComparedCommits:
        """As a check would, without noise."""
        pair = base.time_s, head.time_s
        self.compared.append((*pair, is_told))
        before, after = (self.values[place] for place in pair)
        if before is None or after is None:
            return ComparedCommits(MetricGrowth.NOT_MEASURED, reason="build failed: no such file")
        made = report().judged()
        if pair in self.noise:
            return ComparedCommits(self.noise[pair], made, seems_grown=after - before > tolerated)
        return ComparedCommits(MetricGrowth.GREW if after - before > tolerated else MetricGrowth.STEADY, made)

    def search(
        self,
        *,
        has_time: Callable[[], bool] = lambda: True,
        likely: tuple[int, ...] = (),
        begun: SearchBegun | None = None,
    ) -> Searched | None:
        commits = self.commits
        shas = tuple(commits[place].sha for place in likely)
        suspect = Suspect("api", Metric.PEAK_RSS, GROWTH, commits, shas, begun)
        return search(suspect, self.compare, has_time)

    def found(self, **how: object) -> tuple[StepOutcome, int, int]:
        found = self.search(**how)  # type: ignore[arg-type]
        assert found is not None
        return found.outcome, found.since.time_s, found.until.time_s


@pytest.mark.thorough
@given(st.integers(2, 200), st.data())
def test_the_commit_is_found_in_few_comparisons_wherever_it_is(count: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, count - 1))
    history = History([0] * place + [GROWTH] * (count - place))
    assert history.found() == (StepOutcome.CONFIRMED, place - 1, place)
    assert len(history.compared) <= 3 + (count - 1).bit_length()


@pytest.mark.thorough
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_commits_that_do_not_build_are_skipped_and_named(builds: list[bool], data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(builds) + 1))
    values: list[int | None] = [0, *(0 if builds_it else None for builds_it in builds), 0]
    values = [value if value is None or number < place else GROWTH for number, value in enumerate(values)]
    found = History(values).search()
    assert found is not None
    assert found.outcome is StepOutcome.CONFIRMED
    since, until = found.since.time_s, found.until.time_s
    assert since < place <= until
    between = range(since + 1, until)
    assert all(values[number] is None for number in between), "what lies between cannot be told from it"
    assert [one.commit.time_s for one in found.skipped] == list(between)
    assert all(one.reason == "build failed: no such file" for one in found.skipped)


def test_what_is_told_is_the_comparison_of_the_commit_with_its_parent() -> None:
    history = History([0, 0, 0, GROWTH, GROWTH])
    found = history.search()
    assert found is not None
    assert found.report is not None
    assert history.compared[-1] == (2, 3, True)
    assert [is_told for *_, is_told in history.compared] == [False] * (len(history.compared) - 1) + [True]


def test_parent_and_child_are_compared_once() -> None:
    history = History([0, GROWTH])
    assert history.found() == (StepOutcome.CONFIRMED, 0, 1)
    assert history.compared == [(0, 1, True)]


def test_likely_commits_are_tried_first() -> None:
    history = History([0] * 50 + [GROWTH] * 50)
    assert history.found(likely=(49, 50)) == (StepOutcome.CONFIRMED, 49, 50)
    assert [pair for *pair, _ in history.compared] == [[0, 99], [0, 50], [0, 49], [49, 50]]


def test_a_wrong_guess_costs_little() -> None:
    history = History([0] * 10 + [GROWTH] * 10)
    assert history.found(likely=(3, 4)) == (StepOutcome.CONFIRMED, 9, 10)


@pytest.mark.parametrize("growth", [0, GROWTH // 8, GROWTH // 4])
def test_a_step_that_is_not_there_is_not_confirmed(growth: int) -> None:
    history = History([0] * 5 + [growth] * 5)
    assert history.found() == (StepOutcome.NOT_CONFIRMED, 0, 9)
    assert len(history.compared) == 1


def test_a_step_that_stays_unclear_is_not_confirmed() -> None:
    assert History([0, 0, GROWTH], {(0, 2): MetricGrowth.UNCLEAR}).found() == (StepOutcome.NOT_CONFIRMED, 0, 2)


def test_an_unclear_commit_is_placed_by_its_median() -> None:
    noise = dict.fromkeys([(0, 1), (0, 2), (0, 3), (0, 4)], MetricGrowth.UNCLEAR)
    assert History([0, 0, 0, GROWTH, GROWTH, GROWTH], noise).found() == (StepOutcome.CONFIRMED, 2, 3)


@pytest.mark.parametrize("broken", [0, -1])
def test_without_one_of_the_two_ends_nothing_can_be_compared(broken: int) -> None:
    values: list[int | None] = [0, 0, GROWTH, GROWTH]
    values[broken] = None
    found = History(values).search()
    assert found is not None
    assert (found.outcome, found.reason) == (StepOutcome.NOT_MEASURED, "build failed: no such file")


def test_growth_by_many_commits_is_told_of_all_of_them() -> None:
    """No commit grew by a tenth of the step."""
    history = History([number * GROWTH // 20 for number in range(21)])
    assert history.found() == (StepOutcome.CONFIRMED, 0, 20)


def test_of_two_commits_that_share_a_step_one_is_told() -> None:
    assert History([0, 0, GROWTH // 2, GROWTH // 2, GROWTH]).found()[0] is StepOutcome.CONFIRMED


def test_noise_at_the_end_of_a_search_accuses_no_commit() -> None:
    noise = {(2, 3): MetricGrowth.STEADY}
    assert History([0, 0, 0, GROWTH, GROWTH, GROWTH], noise).found() == (StepOutcome.CONFIRMED, 0, 5)


def test_without_time_nothing_begins() -> None:
    assert History([0, GROWTH]).search(has_time=lambda: False) is None


def test_a_pair_that_is_not_certain_is_not_compared_again() -> None:
    """More growth than a tenth of the step is not certain if a tenth is not."""
    history = History([0, 0, GROWTH], {(0, 2): MetricGrowth.STEADY})
    assert history.found(begun=SearchBegun(0, 2, (1,))) == (StepOutcome.NOT_CONFIRMED, 0, 2)
    assert [pair for *pair, _ in history.compared] == [[0, 2]]


def test_a_search_ends_if_more_commits_fail_than_can_be_remembered() -> None:
    values: list[int | None] = [0, *[None] * 300, GROWTH]
    found = History(values).search()
    assert found is not None
    assert (found.outcome, len(found.skipped)) == (StepOutcome.CONFIRMED, MOST_SKIPPED)


def test_commits_that_cannot_be_built_any_more_do_not_refute_a_step() -> None:
    found = History([None, 0, GROWTH, GROWTH]).search(begun=SearchBegun(0, 3))
    assert found is not None
    assert (found.outcome, found.reason) == (StepOutcome.NOT_MEASURED, "build failed: no such file")


def nights(history: History, a_night: int) -> list[tuple[StepOutcome, int, int]]:
    """What each night finds that has time for so many comparisons, until one ends the search."""
    commits = history.commits
    middle, places = len(commits) // 2, places_of([commit.sha for commit in commits])
    step = SuspectedStep("api", Metric.PEAK_RSS, MACHINE, commits[middle - 1], commits[middle], 1, 1 + GROWTH, 0.001,
                commits[0], commits[-1])  # fmt: skip
    lines: list[StepLine] = []
    found: list[tuple[StepOutcome, int, int]] = []
    while not found or found[-1][0] is StepOutcome.NARROWED:
        assert len(found) < 100, "it never ends"
        earlier = earlier_search(step, lines, places, datetime.now(UTC), [step])
        begun = len(history.compared)
        suspect = suspect_of(step, earlier, lines, commits)
        ended = search(suspect, history.compare, partial(_has_time, history, begun + a_night))
        assert ended is not None
        lines.append(step_line(step_report(step, ended), MACHINE))
        found.append((ended.outcome, ended.since.time_s, ended.until.time_s))
    return found


@pytest.mark.thorough
@given(st.integers(1, 5), st.integers(1, 20), st.frozensets(st.integers(1, 19)))
def test_a_search_with_little_time_ends_where_a_long_one_does(
    a_night: int, culprit: int, broken: frozenset[int]
) -> None:
    values = [None if place in broken else GROWTH if place >= culprit else 0 for place in range(21)]
    history, at_once = History(values), History(values)
    assert nights(history, a_night)[-1] == at_once.found(likely=(9, 10))
    assert len(history.compared) == len(at_once.compared), "nothing is compared twice"


@pytest.mark.thorough
@given(st.integers(1, 5), st.frozensets(st.integers(1, 19)))
def test_a_search_with_little_time_ends_if_many_commits_share_the_growth(a_night: int, broken: frozenset[int]) -> None:
    values = [None if place in broken else place * GROWTH // 20 for place in range(21)]
    outcome, since, until = nights(History(values), a_night)[-1]
    assert outcome is StepOutcome.CONFIRMED
    assert (since, until) == (0, 20) or set(range(since + 1, until)) & broken


@pytest.mark.thorough
@given(st.integers(1, 3), st.lists(st.integers(0, GROWTH), min_size=3, max_size=30), st.randoms(use_true_random=False))
def test_a_search_ends_whatever_noise_answers(a_night: int, values: list[int], random: Random) -> None:
    pairs = [(base, head) for head in range(len(values)) for base in range(head)]
    history = History(values, {pair: random.choice(list(MetricGrowth)) for pair in pairs})
    assert nights(history, a_night)[-1][0] is not StepOutcome.NARROWED


def _has_time(history: History, most: int) -> bool:
    """There is time for so many comparisons."""
    return len(history.compared) < most


@pytest.mark.parametrize(("mib", "is_proven"), [(8, True), (0, False)])
def test_a_comparison_that_was_made_for_one_metric_proves_another(mib: float, is_proven: bool) -> None:
    commits = [MainCommit(f"{number:040x}", number, "") for number in range(8)]
    suspect = Suspect("api", Metric.SETTLED_RSS, 4 * MIB, commits)
    found = proven_by(suspect, comparison(4, 5, mib))
    if not is_proven:
        assert found is None
        return
    assert found is not None
    assert (found.outcome, found.since, found.until) == (StepOutcome.CONFIRMED, commits[4], commits[5])
    assert found.report is not None


@pytest.mark.parametrize(("since", "until"), [(3, 5), (9, 10)])
def test_only_a_commit_and_its_parent_within_the_search_prove_another_metric(since: int, until: int) -> None:
    commits = [MainCommit(f"{number:040x}", number, "") for number in range(8)]
    assert proven_by(Suspect("api", Metric.SETTLED_RSS, MIB, commits), comparison(since, until)) is None


def test_too_few_trials_prove_no_other_metric() -> None:
    """Sizes of images need one trial of each side."""
    commits = [MainCommit(f"{number:040x}", number, "") for number in range(8)]
    assert proven_by(Suspect("api", Metric.SETTLED_RSS, MIB, commits), comparison(trials=1)) is None
