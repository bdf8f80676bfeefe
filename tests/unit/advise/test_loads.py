"""A workload with another load is the same workload over more, or fewer, connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.advise.loads import load_of, with_load
from membudget.budgets.workload import CommandWorkload, ExecWorkload, HttpWorkload, StepsWorkload
from membudget.budgets.workload_parts import WorkloadKind
from membudget.core.errors import ConfigurationError


def http(*requests: dict[str, object]) -> HttpWorkload:
    return HttpWorkload.model_validate({"kind": "http", "requests": [{"path": "/", **one} for one in requests]})


STEPS = StepsWorkload.model_validate(
    {
        "kind": "steps",
        "steps": [{"idle": "1s"}, {"http": [{"path": "/", "concurrency": 6}]}, {"exec": [["true"]]}],
    }
)


@given(st.integers(1, 50), st.integers(0, 200), st.integers(1, 1000))
def test_the_load_is_what_was_asked_for(concurrency: int, connections: int, wanted: int) -> None:
    workload = http({"concurrency": concurrency, "connections": connections})
    assert load_of(workload) == concurrency + connections
    assert load_of(with_load(workload, wanted, 1000)) == wanted


def test_requests_connections_and_rate_grow_alike_and_their_number_stays() -> None:
    workload = http({"concurrency": 10, "connections": 30, "rate": 50, "count": 500}, {"duration": "2s"})
    changed = with_load(workload, 80, 80)
    assert isinstance(changed, HttpWorkload)
    first, second = changed.requests
    assert (first.concurrency, first.connections, first.rate, first.count) == (20, 60, 100, 500)
    assert (second.concurrency, second.count, second.duration) == (8, None, 2000)


def test_each_connection_gets_requests_and_all_loads_get_as_many() -> None:
    workload = http({"concurrency": 10})
    counts = {load: with_load(workload, load, 200) for load in (10, 200)}
    assert [one.requests[0].count for one in counts.values() if isinstance(one, HttpWorkload)] == [800, 800]


def test_steps_with_requests_have_a_load() -> None:
    assert load_of(STEPS) == 6
    changed = with_load(STEPS, 12, 12)
    assert load_of(changed) == 12
    assert isinstance(changed, StepsWorkload)
    assert [changed.steps[number] for number in (0, 2)] == [STEPS.steps[number] for number in (0, 2)]


@pytest.mark.parametrize(
    "workload", [CommandWorkload(), ExecWorkload.model_validate({"kind": "exec", "commands": [["true"]]})]
)
def test_other_workloads_have_no_load(workload: WorkloadKind) -> None:
    assert load_of(workload) is None
    assert with_load(workload, 7, 7) is workload


@pytest.mark.parametrize(
    ("workload", "load", "why"),
    [
        (http({"concurrency": 10}), 1001, "concurrency = 1001, and 1000 is the most"),
        (http({"concurrency": 1, "connections": 99}), 30_000, "connections = 29700, and 20000 is the most"),
        (http({"concurrency": 1, "rate": 1000}), 101, "rate = 101000, and 100000 is the most"),
    ],
)
def test_a_load_that_no_workload_may_have_is_refused(workload: WorkloadKind, load: int, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        with_load(workload, load, load)
