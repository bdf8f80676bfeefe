"""What a snapshot says of the moment at which it was taken."""

from dataclasses import replace

import pytest

from membudget.core.quantities import MIB
from membudget.measure.probe.pace import Sample
from membudget.measure.probe.readings import MemoryReading
from membudget.measure.probe.snapshots import with_the_end
from tests.support.builders import process, snapshot


def after(anon_mib: int) -> Sample:
    return Sample(950_000, MemoryReading(anon_mib * MIB, 5 * MIB, 0, (anon_mib + 10) * MIB))


@pytest.mark.parametrize(
    ("held", "at_the_end", "usage_fell", "rss", "fell"),
    [
        (40, 77, 0, 45, 0),  # it grew after processes had been read
        (76, 77, 0, 82, 0),  # it grew before: they show it
        (40, 40, 0, 45, 0),
        (39, 19, 21, 45, 0),  # it fell after they had been read
        (20, 19, 21, 45, 21),  # it fell before
        (10, 40, 30, 45, 30),  # it fell and came back
        (40, 40, 30, 45, 0),  # page cache was taken back
    ],
)
def test_a_snapshot_has_the_memory_that_its_processes_show(
    held: int, at_the_end: int, usage_fell: int, rss: int, fell: int
) -> None:
    one = replace(process("app", rss=held, pss=held), held_anon_bytes=held * MIB, held_shmem_bytes=0)
    taken = replace(snapshot(one, rss=45), anon_bytes=40 * MIB)
    ended = with_the_end(taken, after(at_the_end), usage_fell * MIB)
    assert (ended.rss_bytes, ended.fell_bytes) == (rss * MIB, fell * MIB)
    assert ended.time_us == (950_000 if rss == 82 else 900_000)


def test_where_pages_count_more_than_once_the_smaller_memory_counts() -> None:
    workers = (process("app", rss=30, pss=None, pid=pid) for pid in (1, 2))
    taken = snapshot(*workers, rss=40)
    assert with_the_end(taken, after(60), 0).seen_bytes == 40 * MIB
    assert with_the_end(taken, after(25), 15 * MIB).seen_bytes == 25 * MIB


def test_of_a_cgroup_that_is_gone_what_fell_is_told_by_its_usage() -> None:
    one = replace(process("app", rss=9, pss=9), held_anon_bytes=9 * MIB)
    assert with_the_end(snapshot(one, rss=40), None, 30 * MIB).seen_bytes == 10 * MIB
