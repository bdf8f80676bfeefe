"""When requests are due, and how their latencies are counted."""

import pytest

from membudget.budgets.workload_parts import LARGEST_BODY_BYTES
from membudget.measure.workload.http_sender import _bucket, _Load, _offset_s, _random_bytes
from tests.unit.measure.workload.test_http_process import group


def test_without_a_ramp_requests_come_evenly() -> None:
    assert [_offset_s(number, 4, 0.0) for number in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_over_a_ramp_half_as_many_come_and_never_backwards() -> None:
    offsets = [_offset_s(number, 100, 2.0) for number in range(300)]
    assert offsets == sorted(offsets)
    assert sum(offset < 2.0 for offset in offsets) == 100
    assert sum(2.0 <= offset < 3.0 for offset in offsets) == 100


def test_percentiles_are_to_one_percent() -> None:
    load = _Load(1, group())
    for milliseconds in range(1, 1001):
        load._latencies[_bucket(milliseconds / 1000)] += 1
    result = load.result(1.0, 0)
    assert result.p50_us is not None
    assert result.p99_us is not None
    assert abs(result.p50_us - 500_000) < 5_500
    assert abs(result.p99_us - 990_000) < 10_500


def test_without_a_success_there_is_no_latency() -> None:
    load = _Load(1, group())
    load.failures["status 500"] = 3
    result = load.result(1.0, 0)
    assert (result.requests, result.errors, result.p50_us) == (3, 3, None)


@pytest.mark.thorough
def test_the_largest_body_of_random_bytes_can_be_made() -> None:
    assert len(_random_bytes(LARGEST_BODY_BYTES)) == LARGEST_BODY_BYTES


def test_random_bytes_are_the_same_each_time_whatever_their_number() -> None:
    assert _random_bytes(3_000_000)[:1000] == _random_bytes(1000)
