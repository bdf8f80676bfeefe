"""Which steps are marked: what searches found takes the place of what is suspected."""

from collections.abc import Sequence
from datetime import timedelta

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.marked_steps import MarkedStep, marked_steps
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.history.step_line import StepLine, StepOutcome, places_of
from membudget.history.steps import SuspectedStep
from tests.support.history import MACHINE, NOW, line

COMMITS = [MainCommit(f"{number:040x}", 1_700_000_000 + number, "") for number in range(1, 31)]
PLACES = places_of([commit.sha for commit in COMMITS])
SERIES = [
    MetricSeries(
        "api",
        Metric.PEAK_RSS,
        tuple(SeriesPoint(commit, line(commit.sha, 40 if place < 15 else 50)) for place, commit in enumerate(COMMITS)),
    )
]
SUSPECTED = SuspectedStep(
    "api", Metric.PEAK_RSS, MACHINE, COMMITS[14], COMMITS[15], 41 * MIB, 49 * MIB, 0.001, COMMITS[10], COMMITS[20]
)


def searched(outcome: StepOutcome, since: int = 13, commit: int = 14, **changes: object) -> StepLine:
    found = StepLine(
        image="api", metric=Metric.PEAK_RSS, commit=COMMITS[commit].sha, since=COMMITS[since].sha, outcome=outcome,
        time=NOW, machine=MACHINE, membudget="0.1.0",
    )  # fmt: skip
    return found.model_copy(update=changes)


def marked(
    *searches: StepLine, found: Sequence[MetricSeries] = SERIES, suspected: Sequence[SuspectedStep] = (SUSPECTED,)
) -> list[MarkedStep]:
    return marked_steps(found, suspected, searches, PLACES, NOW)


def test_a_suspected_step_is_marked_with_its_medians() -> None:
    assert marked() == [MarkedStep("api", Metric.PEAK_RSS, COMMITS[15].sha, 41 * MIB, 49 * MIB, is_confirmed=False)]


def test_a_confirmed_step_takes_its_place_at_the_commit_that_did_it() -> None:
    found = marked(searched(StepOutcome.CONFIRMED, 14, 15))
    assert found == [MarkedStep("api", Metric.PEAK_RSS, COMMITS[15].sha, 40 * MIB, 50 * MIB, is_confirmed=True)]


def test_noise_is_not_marked() -> None:
    assert marked(searched(StepOutcome.NOT_CONFIRMED, 10, 20)) == []


def test_what_no_search_ended_stays_suspected() -> None:
    for outcome in (StepOutcome.NOT_MEASURED, StepOutcome.NARROWED):
        assert [step.is_confirmed for step in marked(searched(outcome, 12, 18))] == [False]


def test_confirmed_steps_are_marked_without_a_suspicion_and_once() -> None:
    again = searched(StepOutcome.CONFIRMED, 14, 15, time=NOW - timedelta(days=3))
    (step,) = marked(searched(StepOutcome.CONFIRMED, 14, 15), again, suspected=())
    assert (step.is_confirmed, step.is_worse) == (True, True)


def test_steps_of_other_commits_and_series_or_without_figures_are_left_out() -> None:
    elsewhere = searched(StepOutcome.CONFIRMED, commit=15, since=14, image="web")
    rewritten = searched(StepOutcome.CONFIRMED, commit=15, since=14).model_copy(update={"since": "f" * 40})
    other_machine = searched(StepOutcome.CONFIRMED, commit=15, since=14, machine="other")
    assert marked(elsewhere, rewritten, other_machine, suspected=()) == []


def test_a_line_whose_commits_are_in_the_wrong_order_is_not_believed() -> None:
    """Somebody wrote it by hand: the figures fall from its first commit to its second."""
    assert marked(searched(StepOutcome.CONFIRMED, 16, 13), suspected=()) == []


def test_a_confirmed_step_that_the_figures_contradict_is_not_marked_as_confirmed() -> None:
    flat, fallen = searched(StepOutcome.CONFIRMED, 19, 20), searched(StepOutcome.CONFIRMED, 14, 15)
    assert marked(flat, suspected=()) == []
    points = (SeriesPoint(p.commit, line(p.commit.sha, 90 - place)) for place, p in enumerate(SERIES[0].points))
    lower = [MetricSeries("api", Metric.PEAK_RSS, tuple(points))]
    assert marked(fallen, found=lower, suspected=()) == []


def test_a_suspicion_stays_where_a_confirmed_step_is_contradicted() -> None:
    assert [step.is_confirmed for step in marked(searched(StepOutcome.CONFIRMED, 18, 19))] == [False]
