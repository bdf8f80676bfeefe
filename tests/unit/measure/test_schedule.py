import os
import threading

import pytest

from membudget.core.quantities import MIB
from membudget.measure.schedule import MOST_BY_ITSELF, Admission, MachineNeed, cpu_list, most_at_once


@pytest.mark.thorough
def test_no_more_are_let_in_than_there_are_places_or_memory_or_cpus_for() -> None:
    admission = Admission(3, 100 * MIB, 4)
    inside: list[int] = []
    used: list[int] = []
    seen: list[tuple[int, int]] = []
    lock = threading.Lock()

    def trial(need: MachineNeed) -> None:
        assert need.memory_bytes is not None
        with admission.admitted(need) as cpus:
            with lock:
                inside.append(need.memory_bytes)
                assert len(cpus) == need.cpus
                assert not set(used) & set(cpus)
                used.extend(cpus)
                seen.append((len(inside), sum(inside)))
            os.sched_yield()
            with lock:
                inside.remove(need.memory_bytes)
                for cpu in cpus:
                    used.remove(cpu)

    needs = [MachineNeed(1 + number % 3, (10 + 10 * (number % 4)) * MIB) for number in range(40)]
    threads = [threading.Thread(target=trial, args=(need,)) for need in needs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40
    assert max(count for count, _ in seen) <= 3
    assert max(memory for _, memory in seen) <= 100 * MIB


def waits(admission: Admission, need: MachineNeed, admitted: list[MachineNeed]) -> threading.Thread:
    """Return a thread that waits to be let in, and then joins the list."""

    def ask() -> None:
        with admission.admitted(need):
            admitted.append(need)

    before = admission.waiting
    thread = threading.Thread(target=ask)
    thread.start()
    while admission.waiting == before and not admitted:
        os.sched_yield()
    return thread


@pytest.mark.parametrize(
    "large",
    [MachineNeed(1, 200 * MIB), MachineNeed(1, None), MachineNeed(1, MIB, is_alone=True), MachineNeed(9, MIB)],
    ids=["too much memory", "no limit", "alone", "too many CPUs"],
)
def test_one_that_needs_the_whole_machine_runs_alone(large: MachineNeed) -> None:
    admission = Admission(2, 100 * MIB, 2)
    admitted: list[MachineNeed] = []
    with admission.admitted(large):
        other = waits(admission, MachineNeed(1, MIB), admitted)
        assert admitted == []
    other.join(5)
    assert len(admitted) == 1


def test_a_trial_does_not_overtake_one_that_needs_more() -> None:
    admission = Admission(3, 100 * MIB, 2)
    admitted: list[MachineNeed] = []
    wide, narrow = MachineNeed(2, MIB), MachineNeed(1, MIB)
    with admission.admitted(narrow):
        threads = [waits(admission, wide, admitted), waits(admission, narrow, admitted)]
        assert admitted == []
    for thread in threads:
        thread.join(5)
    assert admitted == [wide, narrow]


def test_a_trial_that_is_interrupted_while_it_waits_holds_nobody_up() -> None:
    class _Stop(Exception):
        pass

    admission = Admission(1, 100 * MIB, 2)

    def interrupted(*_: object) -> bool:
        raise _Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "_has_room", interrupted)
        with pytest.raises(_Stop), admission.admitted(MachineNeed(1, MIB)):
            pass
    with admission.admitted(MachineNeed(1, MIB)) as cpus:
        assert cpus == (0,)


@pytest.mark.parametrize(
    ("wanted", "cpus", "asked", "most"),
    [
        ([2, 2, 2, 2], 2, None, 1),
        ([2, 2, 2, 2], 4, None, 2),
        ([2, 2, 2, 2], 5, None, 2),
        ([1] * 8, 2, None, 2),
        ([2, 1, 2, 1], 4, None, 3),
        ([4], 2, None, 1),
        ([1, 1], 64, None, 2),
        ([1] * 20, 64, None, MOST_BY_ITSELF),
        ([1] * 20, 64, 12, 12),
        ([1] * 20, 2, 12, 2),
        ([1] * 8, 2, 1, 1),
        ([], 4, None, 1),
    ],
)
def test_as_many_trials_run_at_once_as_have_cpus_of_their_own(
    wanted: list[int], cpus: int, asked: int | None, most: int
) -> None:
    assert most_at_once(wanted, cpus, asked) == most


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
