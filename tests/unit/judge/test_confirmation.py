"""When fresh trials confirm remembered ones, and when they do not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets import file as budgets_file
from membudget.budgets.rules import ImageRules, image_rules
from membudget.build.revision import Side
from membudget.core.metrics import Metric, MetricValue
from membudget.judge.confirmation import contradiction, other_verdict
from membudget.judge.measurement import Failure, FailureStage
from membudget.judge.metric import Verdict
from membudget.measure.probe.messages import HostSettings
from membudget.measure.trial import Trial
from membudget.report.notes import contradiction_note
from tests.support.builders import phase, trial


def rules(budgets: str) -> ImageRules:
    text = f'version = 1\n[images.api]\nlimit = "256MiB"\n{budgets}\n'
    return image_rules(budgets_file.parse(text, "t")["api"])


TOLERANT = rules('budgets.peak_rss = { growth = { percent = 10, floor = "1MiB" } }')
ONLY_MAX = rules('budgets.peak_rss = { max = "100MiB" }')


def contradicted(remembered: list[Trial], fresh: Trial | Failure, judged_by: ImageRules = TOLERANT) -> str | None:
    found = contradiction({Side.HEAD: remembered}, {Side.HEAD: [fresh]}, judged_by)
    return contradiction_note(found) if found is not None else None


def of(*mib: float) -> list[Trial]:
    return [trial(one) for one in mib]


@pytest.mark.parametrize(
    ("remembered", "fresh", "judged_by", "fits"),
    [
        ([40, 40, 40], 44, TOLERANT, True),
        ([40, 40, 40], 44.5, TOLERANT, False),
        ([40, 40, 40], 36.5, TOLERANT, True),
        ([40, 40, 40], 36, TOLERANT, False),  # less than remembered is no confirmation either
        ([40, 50], 60, TOLERANT, True),  # a range of 10 MiB is wider than the tolerance
        ([40, 50], 61, TOLERANT, False),
        ([40, 40, 40], 42, ONLY_MAX, True),  # no tolerance of its own: 5 % or 2 MiB
        ([40, 40, 40], 43, ONLY_MAX, False),
        ([40, 40, 40], 90, rules(""), True),  # no budget, no doubt
    ],
)
def test_a_fresh_figure_fits_within_the_wider_of_tolerance_and_spread(
    remembered: list[float], fresh: float, judged_by: ImageRules, fits: bool
) -> None:
    assert (contradicted(of(*remembered), trial(fresh), judged_by) is None) is fits


def test_the_words_name_metric_side_and_figures() -> None:
    said = contradicted(of(40, 41, 41), trial(60))
    assert said == (
        "membudget discarded the remembered trials and measured the image again: "
        "peak RSS of the head is 60.0 MiB in a new trial, and 40.0 MiB to 41.0 MiB in the remembered ones"
    )


def test_a_phase_with_a_budget_is_looked_at() -> None:
    judged_by = rules('phases.steady.peak_rss = { max = "64MiB" }')
    small, large = (replace(trial(40), phases=(phase("steady", 0, 10, rss),)) for rss in (40, 60))
    assert contradicted([small, small], small, judged_by) is None
    assert "peak RSS (steady) of the head is 60.0 MiB" in str(contradicted([small, small], large, judged_by))
    assert "peak RSS (steady) of the head is missing from the new or" in str(
        contradicted([small, small], trial(40), judged_by)
    )


@pytest.mark.parametrize(
    ("fresh", "why"),
    [
        (trial(40, oom_kills=1), "OOM kills of the head is 1 in a new trial, and 0 to 0 in the remembered ones"),
        (trial(None), "peak RSS of the head is missing from the new or"),
        (Failure(FailureStage.WORKLOAD, "exit code 1"), "a new trial of the head failed"),
        (replace(trial(40), settings=HostSettings("always", 0, 60, "0")), "the machine's settings changed"),
    ],
)
def test_what_is_no_trial_of_the_same_kind_confirms_nothing(fresh: Trial | Failure, why: str) -> None:
    assert why in str(contradicted(of(40, 40, 40), fresh))


def test_no_fresh_trial_confirms_nothing() -> None:
    assert contradiction({Side.BASE: of(40)}, {Side.BASE: []}, TOLERANT) is not None
    assert contradiction({Side.BASE: of(40)}, {}, TOLERANT) is None, "it was not asked"


def test_figures_that_no_trial_has_are_no_contradiction() -> None:
    assert contradicted([trial(None)], trial(None)) is None


def test_an_estimate_fits_where_the_intervals_meet() -> None:
    judged_by = rules('budgets.rss_per_connection = "64KiB"')
    metric = Metric.RSS_PER_CONNECTION

    def fitted(value: int, low: int, high: int) -> Trial:
        one = trial(40)
        return replace(one, metrics={**one.metrics, metric: MetricValue.estimate(metric, value, low, high)})

    assert contradicted([fitted(10_000, 5_000, 15_000)], fitted(30_000, 14_000, 46_000), judged_by) is None
    assert contradicted([fitted(10_000, 9_000, 11_000)], fitted(9 << 20, 8 << 20, 10 << 20), judged_by) is not None


@pytest.mark.parametrize("fresh", Verdict)
@pytest.mark.parametrize("together", Verdict)
def test_remembered_trials_never_change_a_verdict(fresh: Verdict, together: Verdict) -> None:
    found = other_verdict(fresh, together)
    assert (found is None) is (fresh is together)
    if found is not None:
        said = contradiction_note(found)
        assert str(fresh) in said
        assert str(together) in said


_MIB = st.integers(1, 200)
_SEVERAL = st.lists(_MIB, min_size=1, max_size=10)


@pytest.mark.thorough
@given(_SEVERAL, st.data())
def test_a_figure_among_the_remembered_ones_fits(remembered: list[int], data: st.DataObject) -> None:
    within = data.draw(st.integers(min(remembered), max(remembered)))
    assert contradicted(of(*remembered), trial(within)) is None


@pytest.mark.thorough
@given(_SEVERAL, _MIB, st.integers(0, 50))
def test_nearer_never_fits_worse(remembered: list[int], fresh: int, nearer: int) -> None:
    if contradicted(of(*remembered), trial(fresh)) is None:
        middle = (min(remembered) + max(remembered)) // 2
        step = min(nearer, abs(fresh - middle)) * (1 if fresh < middle else -1)
        assert contradicted(of(*remembered), trial(fresh + step)) is None


@pytest.mark.thorough
@given(_MIB, st.integers(1, 10), _MIB)
def test_equal_remembered_trials_are_confirmed_to_the_tolerance_and_no_further(
    remembered: int, count: int, fresh: int
) -> None:
    fits = abs(fresh - remembered) <= max(1, fresh / 10)
    assert (contradicted(of(*[remembered] * count), trial(fresh)) is None) is fits
