import os
import threading

import pytest

from membudget.core.quantities import MIB
from membudget.measure.schedule import Admission, cpu_list, cpu_shares


def test_no_more_are_let_in_than_there_are_places_or_memory_for() -> None:
    admission = Admission(3, 100 * MIB)
    inside: list[int] = []
    seen: list[tuple[int, int]] = []
    lock = threading.Lock()

    def trial(limit: int) -> None:
        with admission.admitted(limit):
            with lock:
                inside.append(limit)
                seen.append((len(inside), sum(inside)))
            os.sched_yield()
            with lock:
                inside.remove(limit)

    threads = [threading.Thread(target=trial, args=((10 + 10 * (number % 4)) * MIB,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40
    assert max(count for count, _ in seen) <= 3
    assert max(memory for _, memory in seen) <= 100 * MIB


@pytest.mark.thorough
@pytest.mark.parametrize("limit", [200 * MIB, None])
def test_one_that_is_too_large_runs_alone(limit: int | None) -> None:
    admission = Admission(2, 100 * MIB)
    with admission.admitted(limit):
        other = threading.Thread(target=lambda: admission.admitted(MIB).__enter__())
        other.start()
        other.join(0.05)
        assert other.is_alive()
    other.join(5)
    assert not other.is_alive()


@pytest.mark.parametrize(
    ("cpus", "places", "shares"),
    [
        (4, 1, [(0, 1, 2, 3)]),
        (2, 2, [(0,), (1,)]),
        (8, 2, [(0, 1, 2, 3), (4, 5, 6, 7)]),
        (5, 2, [(0, 1), (2, 3)]),
        (3, 3, [(0,), (1,), (2,)]),
    ],
)
def test_each_place_has_cpus_of_its_own(cpus: int, places: int, shares: list[tuple[int, ...]]) -> None:
    assert cpu_shares(cpus, places) == shares


@pytest.mark.parametrize(
    ("share", "wanted", "cpus", "listed"),
    [
        ((0, 1), 2, 2, None),
        ((0, 1), 4, 2, None),
        ((0, 1, 2, 3), 2, 4, "0,1"),
        ((2, 3), 1, 4, "2"),
        ((2, 3), 2, 4, "2,3"),
    ],
)
def test_a_container_has_as_many_cpus_as_it_wants(
    share: tuple[int, ...], wanted: int, cpus: int, listed: str | None
) -> None:
    assert cpu_list(share, wanted, cpus) == listed
