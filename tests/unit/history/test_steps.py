"""Suspected steps: where they are, between which values, and what has no part in them."""

import random
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.build.revision import MainCommit
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.history.steps import SUSPICIOUS, SuspectedStep, suspected_steps
from tests.support.history import line

pytestmark = pytest.mark.thorough  # Otava takes half a second to import
MIB = 2**20


def commit(number: int) -> MainCommit:
    return MainCommit(f"{number:040x}", 1_700_000_000 + number, f"commit {number}")


def series(values: Sequence[float], metric: Metric = Metric.PEAK_RSS, *, machines: Sequence[str] = ()) -> MetricSeries:
    """A series of MiB. The commits with odd numbers have not been measured."""
    points = [
        SeriesPoint(commit(2 * n), line(commit(2 * n).sha, value, metric=metric)) for n, value in enumerate(values)
    ]
    for number, machine in enumerate(machines):
        changed = points[number].line.model_copy(update={"machine": machine})
        points[number] = SeriesPoint(points[number].commit, changed)
    return MetricSeries("api", metric, tuple(points))


def around(mib: float, count: int, seed: int = 1) -> list[float]:
    """Values with noise of 0.5 %."""
    chance = random.Random(seed)
    return [chance.gauss(mib, mib / 200) for _ in range(count)]


def steps(found: MetricSeries) -> tuple[SuspectedStep, ...]:
    return suspected_steps([found])


def test_a_step_lies_between_two_measured_commits_and_has_the_medians_of_both_sides() -> None:
    [step] = steps(series([40.0] * 20 + [44.0] * 15))
    assert (step.image, step.metric, step.before, step.after) == ("api", Metric.PEAK_RSS, commit(38), commit(40))
    assert (step.value_before, step.value_after, step.growth) == (40 * MIB, 44 * MIB, 4 * MIB)
    assert step.p_value < 0.01
    assert step.is_worse


def test_commits_are_searched_on_both_sides_as_far_as_the_next_steps() -> None:
    first, second = steps(series([40.0] * 20 + [44.0] * 6 + [48.0] * 20))
    assert (first.search_from, first.search_to) == (commit(20), commit(50))
    assert (second.search_from, second.search_to) == (commit(40), commit(70))


def test_a_step_in_noise_is_suspected_and_its_place_is_searched() -> None:
    [step] = steps(series(around(40, 60) + around(41, 40, seed=2)))
    assert step.search_from.time_s <= commit(118).time_s < commit(120).time_s <= step.search_to.time_s


def test_a_fall_is_a_step_that_is_better() -> None:
    [step] = steps(series([40.0] * 20 + [30.0] * 15))
    assert step.growth == -10 * MIB
    assert not step.is_worse


def test_of_rates_a_fall_is_worse() -> None:
    [step] = steps(series([40.0] * 20 + [30.0] * 15, Metric.REQUESTS_PER_SECOND))
    assert step.is_worse


@pytest.mark.parametrize("values", [[], [40.0], [40.0] * 30, [40.0, 41.0], [40 + n % 2 / 100 for n in range(60)]])
def test_without_a_lasting_change_nothing_is_suspected(values: list[float]) -> None:
    assert steps(series(values)) == ()


def test_changes_below_one_percent_are_not_suspected() -> None:
    assert steps(series([40.0] * 20 + [40.3] * 20)) == ()


def test_figures_of_other_kinds_of_machines_are_series_of_their_own() -> None:
    machines = [("small", "large")[number % 2] for number in range(40)]
    values = [(40.0, 60.0)[number % 2] + (4 if number >= 20 else 0) for number in range(40)]
    small, large = steps(series(values, machines=machines))
    assert (small.machine, small.value_before, small.value_after) == ("small", 40 * MIB, 44 * MIB)
    assert (large.machine, large.value_before, large.value_after) == ("large", 60 * MIB, 64 * MIB)


def test_image_sizes_are_one_series_across_machines() -> None:
    machines = [("small", "large")[number % 2] for number in range(40)]
    [step] = steps(series([40.0] * 20 + [44.0] * 20, Metric.IMAGE_SIZE, machines=machines))
    assert step.machine is None


def test_lower_bounds_are_left_out() -> None:
    found = series([40.0] * 20 + [60.0] * 20)
    cut = [SeriesPoint(one.commit, one.line.model_copy(update={"lower_bound": True})) for one in found.points[20:]]
    assert steps(MetricSeries("api", Metric.PEAK_RSS, (*found.points[:20], *cut))) == ()


def refreshed(point: SeriesPoint, mib: float) -> SeriesPoint:
    """A point whose commit was measured again, because its figure was old."""
    later = line(point.commit.sha, mib).model_copy(update={"refresh": True})
    return SeriesPoint(point.commit, later, replaced=point.line)


def test_a_refresh_of_an_old_commit_makes_no_step_there() -> None:
    """Its base image had been updated. Without the refreshes, all commits have the same figure."""
    found = series([40.0] * 40)
    again = tuple(refreshed(point, 44) for point in found.points[20:])
    assert steps(MetricSeries("api", Metric.PEAK_RSS, (*found.points[:20], *again))) == ()


def test_a_refresh_hides_no_step() -> None:
    """An update of the base image needs as much less as the commits had added."""
    found = series([40.0] * 20 + [44.0] * 20)
    again = tuple(refreshed(point, 40) for point in found.points[20:])
    [step] = steps(MetricSeries("api", Metric.PEAK_RSS, (*found.points[:20], *again)))
    assert (step.after, step.value_before, step.value_after) == (commit(40), 40 * MIB, 44 * MIB)


def test_a_history_of_refreshes_alone_is_searched() -> None:
    """Some teams measure only at night."""
    found = series([40.0] * 20 + [44.0] * 20)
    alone = [SeriesPoint(one.commit, one.line.model_copy(update={"refresh": True})) for one in found.points]
    [step] = steps(MetricSeries("api", Metric.PEAK_RSS, tuple(alone)))
    assert step.after == commit(40)


@pytest.mark.parametrize("found", [[], [series([40.0] * 20)], [series([40.0] * 20 + [44.0] * 20)]])
def test_without_otava_the_error_says_what_to_install(
    found: list[MetricSeries], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "otava.analysis", None)
    with pytest.raises(EnvironmentFault, match=r'pip install "membudget\[steps\]"'):
        suspected_steps(found)


@given(
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.sampled_from(["small", "large"]), st.booleans()), max_size=70),
    st.sampled_from([Metric.PEAK_RSS, Metric.IMAGE_SIZE, Metric.RSS_PER_CONNECTION]),
)
def test_whatever_the_figures_are_steps_lie_in_order_between_measured_commits(
    figures: list[tuple[int, str, bool]], metric: Metric
) -> None:
    points = []
    for number, (value, machine, is_bound) in enumerate(figures):
        changed = {"value": value, "machine": machine, "lower_bound": is_bound}
        points.append(SeriesPoint(commit(number), line(commit(number).sha, metric=metric).model_copy(update=changed)))
    found = steps(MetricSeries("api", metric, tuple(points)))
    assert found == steps(MetricSeries("api", metric, tuple(points)))
    for step in found:
        measured = [
            one.commit for one in points if not one.line.lower_bound and step.machine in (None, one.line.machine)
        ]
        places = [measured.index(one) for one in (step.search_from, step.before, step.after, step.search_to)]
        assert places[0] <= places[1] == places[2] - 1 < places[3] + 1
        assert step.p_value <= SUSPICIOUS
    by_machine = [(step.machine or "", step.after.time_s) for step in found]
    assert len(set(by_machine)) == len(by_machine)


@given(st.integers(12, 40), st.integers(12, 40), st.integers(2, 1000), st.randoms())
def test_a_large_step_in_a_little_noise_is_found_at_its_place(
    before: int, after: int, percent: int, chance: random.Random
) -> None:
    values = [40 + chance.random() / 1000 for _ in range(before)]
    values += [40 * (1 + percent / 100) + chance.random() / 1000 for _ in range(after)]
    [step] = steps(series(values))
    assert (step.before, step.after) == (commit(2 * before - 2), commit(2 * before))


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=60), st.integers(1, 20))
def test_steps_do_not_depend_on_the_unit(values: list[int], bits: int) -> None:
    def places(unit: int) -> list[MainCommit]:
        return [step.after for step in steps(series([value * unit / MIB for value in values]))]

    assert places(1) == places(2**bits)
