"""When requests are due, and how their latencies are counted."""

import pytest

from membudget.budgets.workload_parts import LARGEST_BODY_BYTES
from membudget.measure.workload.http_sender import _Load, _offset_s, _random_bytes
from tests.unit.measure.workload.test_http_process import group


def test_without_a_ramp_requests_come_evenly() -> None:
    assert [_offset_s(number, 4, 0.0) for number in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_over_a_ramp_half_as_many_come_and_never_backwards() -> None:
    offsets = [_offset_s(number, 100, 2.0) for number in range(300)]
    assert offsets == sorted(offsets)
    assert sum(offset < 2.0 for offset in offsets) == 100
    assert sum(2.0 <= offset < 3.0 for offset in offsets) == 100


def test_failed_requests_neither_count_as_throughput_nor_have_latencies() -> None:
    load = _Load(1, group())
    load.note(1000, None)
    load.note(9001, None)
    load.note(5, "status 500")
    sent = load.result(0.5, 0.1, 0)
    assert (sent.result.requests, sent.result.errors, sent.result.succeeded) == (3, 1, 2)
    assert (sent.result.exact_us, sent.result.client_cpu_us, sent.result.per_second) == (500_000, 100_000, 4.0)
    assert sent.latencies.counts == ((1000, 1), (9000, 1))
    assert sent.failures == {"status 500": 1}


def test_without_a_success_there_is_no_latency() -> None:
    load = _Load(1, group())
    for _ in range(3):
        load.note(1000, "status 500")
    result = load.result(1.0, 0.0, 0).result
    assert (result.requests, result.errors, result.p50_us, result.per_second) == (3, 3, None, 0.0)


@pytest.mark.thorough
def test_the_largest_body_of_random_bytes_can_be_made() -> None:
    assert len(_random_bytes(LARGEST_BODY_BYTES)) == LARGEST_BODY_BYTES


def test_random_bytes_are_the_same_each_time_whatever_their_number() -> None:
    assert _random_bytes(3_000_000)[:1000] == _random_bytes(1000)
