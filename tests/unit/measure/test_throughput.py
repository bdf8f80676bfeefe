"""Requests a second, requests a second for each GiB, and latencies of a trial's load."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.definition import Better
from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, MIB
from membudget.measure.latencies import Latencies, step_of
from membudget.measure.load import LoadResult, LoadUnit
from membudget.measure.throughput import PERCENTILES, PeakUnderLoad, Served, load_metrics

NEW = (Metric.REQUESTS_PER_SECOND, Metric.REQUESTS_PER_GIB, *(metric for metric, _ in PERCENTILES))


def served(
    latencies_us: list[int],
    seconds: float,
    errors: int = 0,
    *,
    unit: LoadUnit = LoadUnit.REQUEST,
    cpu_seconds: float = 0.0,
) -> Served:
    took_us = round(seconds * 1_000_000)
    result = LoadResult(
        "steady", "GET /", len(latencies_us) + errors, errors, took_us // 1000, 0, None, None, None, 0,
        exact_us=took_us, client_cpu_us=round(cpu_seconds * 1_000_000),
    )  # fmt: skip
    return Served(result, Latencies.of(Counter(map(step_of, latencies_us)).items()), unit)


def test_throughput_is_what_succeeded_in_the_time_of_the_load() -> None:
    found = load_metrics([served([2000] * 300, 2.0, errors=50)], PeakUnderLoad(512 * MIB, None))
    assert found[Metric.REQUESTS_PER_SECOND].value == 150_000
    assert found[Metric.REQUESTS_PER_GIB].value == 300_000
    said = [format_reading(metric, found[metric]) for metric in NEW]
    assert said == ["150/s", "300/s", "2.00 ms", "2.00 ms", "2.00 ms"]


def test_groups_of_requests_are_taken_together() -> None:
    found = load_metrics([served([1000] * 100, 1.0), served([9000] * 300, 3.0)], PeakUnderLoad(GIB, None))
    assert found[Metric.REQUESTS_PER_SECOND].value == found[Metric.REQUESTS_PER_GIB].value == 100_000
    assert [found[metric].value for metric, _ in PERCENTILES] == [9003, 9003, 9003]


@pytest.mark.thorough
@given(
    groups=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 50), st.floats(0.001, 1000)), min_size=1, max_size=5),
    peak=st.integers(1, 64 * GIB),
)
def test_throughput_for_each_gib_is_throughput_by_the_peak(groups: list[tuple[int, int, float]], peak: int) -> None:
    loads = [served([100] * count, seconds, errors) for count, errors, seconds in groups]
    found = load_metrics(loads, PeakUnderLoad(peak, None))
    took_us = sum(one.result.duration_us for one in loads)
    exact = sum(count for count, _, _ in groups) * 10**9 / took_us
    assert found[Metric.REQUESTS_PER_SECOND].value == round(exact)
    assert abs((found[Metric.REQUESTS_PER_GIB].value or 0) - exact * GIB / peak) <= 0.5 + 1e-9 * exact * GIB / peak


def test_what_the_client_paces_is_no_throughput() -> None:
    found = load_metrics([served([5_000_000] * 20, 5.0, unit=LoadUnit.STREAM)], PeakUnderLoad(GIB, None))
    assert {found[metric].reason for metric in NEW} == {
        "the workload only sends requests whose responses are read slowly or for a limited time"
    }
    both = load_metrics(
        [served([5_000_000] * 20, 5.0, unit=LoadUnit.STREAM), served([100] * 10, 1.0)], PeakUnderLoad(GIB, None)
    )
    assert both[Metric.REQUESTS_PER_SECOND].value == 10_000


def test_without_requests_each_metric_says_so() -> None:
    found = load_metrics([], None)
    assert {(found[metric].value, found[metric].reason) for metric in NEW} == {(None, "the workload sends no requests")}


def test_a_percentile_needs_so_many_requests_that_one_may_exceed_it() -> None:
    found = load_metrics([served([1000] * 40, 1.0)], None)
    assert found[Metric.LATENCY_P95].value == 1000
    assert found[Metric.LATENCY_P99].reason == "40 requests are too few: 100 or more"
    assert found[Metric.REQUESTS_PER_GIB].reason == "no RSS was sampled in a phase with requests"


def test_where_no_request_succeeded_throughput_is_zero_and_latencies_are_unknown() -> None:
    found = load_metrics([served([], 1.0, errors=9)], PeakUnderLoad(GIB, None))
    assert (found[Metric.REQUESTS_PER_SECOND].value, found[Metric.REQUESTS_PER_GIB].value) == (0, 0)
    assert found[Metric.LATENCY_P50].reason == "no request succeeded"


def test_a_missed_spike_makes_throughput_for_each_gib_an_upper_bound() -> None:
    value = load_metrics([served([1000] * 100, 1.0)], PeakUnderLoad(GIB, 2 * GIB))[Metric.REQUESTS_PER_GIB]
    assert (value.value, value.at_least, value.is_less_precise) == (100_000, 50_000, True)
    assert value.worst(Metric.REQUESTS_PER_GIB) == 50_000


def test_a_client_at_its_limit_is_told() -> None:
    busy, calm = (
        load_metrics([served([1000] * 100, 1.0, cpu_seconds=used)], None)[Metric.REQUESTS_PER_SECOND]
        for used in (0.95, 0.5)
    )
    assert busy.precision == "lower bound: the client needed its whole CPU"
    assert (calm.precision, calm.is_less_precise) == ("measured by the client", False)


def test_of_rates_more_is_better_and_of_latencies_less() -> None:
    assert [metric.definition.better for metric in NEW] == [Better.MORE] * 2 + [Better.LESS] * 3
