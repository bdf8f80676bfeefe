"""Images by the memory that they need, and how much more the others need."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.comparison import PeakComparison, PeakDifference, Ranking, ranked
from membudget.measure.trial import Outcome, Trial
from tests.support.builders import trial


def trials(*peaks: float) -> list[Trial]:
    return [trial(peak) for peak in peaks]


def with_peak(peak: MetricValue) -> Trial:
    one = trial(40)
    return replace(one, metrics={**one.metrics, Metric.PEAK_RSS: peak})


def missed(value: int, at_most: int) -> Trial:
    return with_peak(MetricValue.of(Metric.PEAK_RSS, value * MIB, "a spike was missed", at_most * MIB))


def only(found: Ranking) -> PeakComparison:
    (one,) = found.others
    return one


def test_the_smallest_comes_first_and_the_others_are_compared_with_it() -> None:
    found = ranked({"large": trials(80, 81, 82, 80, 81), "small": trials(40, 40, 40, 40, 40)})
    assert found.order == ("small", "large")
    assert found.smallest == "small"
    one = only(found)
    assert (one.image, one.difference, one.ratio) == ("large", PeakDifference.MORE, 81 / 40)
    assert (one.low, one.high) == (80 / 41, 83 / 40), "within the resolution of 1 MiB"
    assert one.confidence is not None
    assert one.confidence >= 0.95


def test_no_difference_is_found_where_the_trials_overlap() -> None:
    one = only(ranked({"a": trials(40, 44, 41, 43, 42), "b": trials(43, 41, 44, 42, 40.5)}))
    assert one.difference is PeakDifference.NOT_FOUND
    assert one.low is not None
    assert one.high is not None
    assert one.low <= 1 <= one.high


def test_an_image_that_equals_another_does_not_differ() -> None:
    assert (
        only(ranked({"a": trials(40, 40, 40, 40), "b": trials(40, 40, 40, 40)})).difference is PeakDifference.NOT_FOUND
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_so_few_trials_allow_no_interval(count: int) -> None:
    one = only(ranked({"a": trials(*[40] * count), "b": trials(*[80] * count)}))
    assert (one.difference, one.ratio) == (PeakDifference.UNCERTAIN, 2)
    assert one.confidence is not None
    assert one.confidence < 0.95


def test_a_difference_within_the_resolution_is_none() -> None:
    assert only(ranked({"a": trials(*[40] * 5), "b": trials(*[40.9] * 5)})).difference is PeakDifference.NOT_FOUND
    assert only(ranked({"a": trials(*[40] * 5), "b": trials(*[41.1] * 5)})).difference is PeakDifference.MORE


def test_what_looks_may_have_missed_widens_the_interval() -> None:
    small, large = [missed(40, 60)] * 5, trials(50, 50, 50, 50, 50)
    one = only(ranked({"small": small, "large": large}))
    assert one.difference is PeakDifference.NOT_FOUND, "the small one may have had 60 MiB"
    assert one.low == 50 / 60
    one = only(ranked({"small": trials(40, 40, 40, 40, 40), "large": [missed(50, 90)] * 5}))
    assert (one.difference, one.low, one.high) == (PeakDifference.MORE, 50 / 41, 90 / 40)


def test_a_peak_that_the_limit_cut_off_is_not_compared() -> None:
    killed = [*trials(20, 20), trial(20, outcome=Outcome.OOM_KILLED, oom_kills=1)]
    found = ranked({"killed": killed, "large": trials(80, 80, 80), "other": trials(90, 90, 90)})
    assert found.order == ("large", "other", "killed")
    assert found.smallest == "large", "nobody knows how much the killed one would take"
    assert [(one.image, one.difference) for one in found.others][1] == ("killed", PeakDifference.CUT_OFF)


def test_a_lower_bound_is_not_compared() -> None:
    open_ended = with_peak(MetricValue.of(Metric.PEAK_RSS, 90 * MIB, "lower bound", is_lower_bound=True))
    found = ranked({"a": trials(40, 40), "b": [open_ended, open_ended]})
    assert only(found).difference is PeakDifference.CUT_OFF


def test_images_without_a_peak_come_last() -> None:
    unsampled = with_peak(MetricValue.absent(Metric.PEAK_RSS, "too short"))
    found = ranked({"failed": [], "unsampled": [unsampled], "fine": trials(40)})
    assert (found.order, found.smallest) == (("fine", "failed", "unsampled"), "fine")
    assert [one.difference for one in found.others] == [PeakDifference.NOT_MEASURED] * 2


@pytest.mark.parametrize("none", [[], [trial(20, outcome=Outcome.OOM_KILLED, oom_kills=1)]])
def test_without_a_whole_peak_nothing_is_compared(none: list[Trial]) -> None:
    assert ranked({"a": none, "b": none}) == Ranking(("a", "b"), None, ())


PEAKS = st.lists(st.integers(1, 400), min_size=1, max_size=8)


@pytest.mark.thorough
@given(PEAKS, PEAKS)
def test_an_image_that_needs_more_has_an_interval_above_one(one: list[int], other: list[int]) -> None:
    found = ranked({"one": trials(*one), "other": trials(*other)})
    compared = only(found)
    assert compared.ratio is not None
    assert compared.low is not None
    assert compared.high is not None
    assert compared.low <= compared.ratio <= compared.high
    assert (compared.difference is PeakDifference.MORE) <= (compared.low > 1)
    assert (compared.difference is PeakDifference.NOT_FOUND) <= (compared.low <= 1)
