"""What is known of a process's memory, by any version of the probe."""

from pydantic import TypeAdapter

from membudget.core.quantities import MIB
from membudget.measure.probe.process_use import ProcessUse, Snapshot

OLDER = {
    "time_us": 351_983, "rss_bytes": 52 * MIB, "anon_bytes": 50 * MIB, "took_us": 1613, "process_count": 1,
    "summed_rss_bytes": 60 * MIB, "summed_pss_bytes": 58 * MIB, "unreadable": 0,
    "processes": [
        {
            "pid": 14_986, "name": "truth", "arguments": ["/truth"], "rss_bytes": 60 * MIB, "pss_bytes": 58 * MIB,
            "shared_bytes": 0, "high_water_bytes": 60 * MIB, "anon_bytes": 50 * MIB, "shmem_bytes": 2 * MIB,
            "file_bytes": 8 * MIB,
        }
    ],
    "kinds": {"anonymous": 50 * MIB}, "dirty_bytes": 0, "files": [], "detail": None,
}  # fmt: skip


def test_a_snapshot_of_an_older_report_is_read_and_adds_up() -> None:
    snapshot = TypeAdapter(Snapshot).validate_python(OLDER)
    (process,) = snapshot.processes
    assert (process.anonymous_bytes, process.shared_memory_bytes, process.file_backed_bytes) == (
        50 << 20,
        2 << 20,
        8 << 20,
    )
    assert process.unreclaimable_bytes == snapshot.seen_bytes == 52 * MIB
    assert (snapshot.anonymous_bytes, snapshot.seen_shmem_bytes) == (50 * MIB, 2 * MIB)
    assert snapshot.counts_pages_once, "there is one process"


def test_without_any_kind_of_memory_resident_memory_is_all_that_is_known() -> None:
    assert ProcessUse(1, "app", (), 9 * MIB, None, None, None).unreclaimable_bytes == 9 * MIB
    assert ProcessUse(1, "app", (), 9 * MIB, 7 * MIB, 4 * MIB, None).unreclaimable_bytes == 7 * MIB


def test_the_file_backed_part_is_in_proportion_where_the_rest_is() -> None:
    read = ProcessUse(1, "app", (), 9 * MIB, 7 * MIB, 4 * MIB, None, 6 * MIB, 0, 3 * MIB, 5 * MIB, MIB)
    assert (read.unreclaimable_bytes, read.file_backed_bytes) == (6 * MIB, MIB)
