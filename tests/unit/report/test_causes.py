from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.measure.probe.process_use import ProcessUse
from membudget.report.causes import Program, breakdown, program_name
from tests.support.builders import process, snapshot


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("/usr/sbin/nginx", "-g", "daemon off;"), "nginx"),
        (("nginx: worker process",), "nginx"),
        (("postgres: checkpointer ",), "postgres"),
        (("gunicorn: worker [app]",), "gunicorn"),
        (("redis-server *:6379",), "redis-server"),
        (("/usr/bin/python3", "/usr/bin/gunicorn", "-w", "4", "app:app"), "gunicorn"),
        (("python3.11", "-u", "-m", "http.server"), "http.server"),
        (("python3", "-c", "print(1)"), "python3"),
        (("node", "--max-old-space-size=64", "server.js"), "server.js"),
        (("java", "-Xmx64m", "-cp", "/app/lib/*", "com.example.Main"), "com.example.Main"),
        (("java", "-jar", "/app/service.jar"), "service.jar"),
        (("/bin/bash",), "bash"),
        (("python3", "-m"), "python3"),
        ((), "name"),
        (("/",), "name"),
    ],
)
def test_a_program_is_called_what_people_call_it(arguments: tuple[str, ...], name: str) -> None:
    assert program_name(process(*arguments, rss=1, pss=1)) == name


def test_workers_of_one_program_are_one_and_what_they_share_counts_once() -> None:
    workers = [process("gunicorn: worker [app]", rss=31, pss=22 + 9 / 4, pid=pid, file=2) for pid in range(4)]
    found = breakdown(snapshot(process("cron", rss=1, pss=1), *workers, rss=98))
    assert found.programs == (Program("gunicorn", 4, 97 * MIB, 8 * MIB), Program("cron", 1, MIB, 0))
    assert (found.unmapped_bytes, found.unseen_bytes, found.repeated_bytes) == (0, 0, 0)
    assert (found.whole_bytes, found.file_bytes) == (98 * MIB, 8 * MIB)


def test_without_memory_maps_pages_that_processes_share_are_subtracted() -> None:
    """Forked processes share anonymous pages, and `status` counts them in each."""
    one = replace(process("worker", rss=30, pss=None), anon_bytes=20 * MIB, shmem_bytes=4 * MIB, file_bytes=6 * MIB)
    seen = replace(snapshot(one, replace(one, pid=2), rss=27), anon_bytes=23 * MIB)
    found = breakdown(seen)
    assert found.programs == (Program("worker", 2, 48 * MIB, 12 * MIB),)
    assert found.repeated_bytes == (17 + 4) * MIB


def test_files_in_a_tmpfs_belong_to_no_process() -> None:
    seen = replace(snapshot(process("app", rss=10, pss=10), rss=70), anon_bytes=12 * MIB)
    found = breakdown(seen)
    assert (found.unmapped_bytes, found.unseen_bytes) == (58 * MIB, 2 * MIB)


def test_processes_that_were_not_read_one_by_one_are_others() -> None:
    seen = replace(snapshot(process("app", rss=10, pss=10), rss=14), process_count=5, others_anon_bytes=4 * MIB)
    assert breakdown(seen).others == Program("", 4, 4 * MIB, None)


SIZES = st.integers(0, 1 << 40)


@st.composite
def processes(draw: st.DrawFn) -> ProcessUse:
    """A process as any version of the probe, on any kernel, may tell of it."""
    maybe = st.none() | SIZES
    return ProcessUse(
        draw(SIZES), draw(st.sampled_from("ab")), (), draw(SIZES), draw(maybe), draw(maybe), draw(maybe), draw(maybe),
        draw(maybe), draw(maybe), draw(maybe), draw(maybe),
    )  # fmt: skip


@pytest.mark.thorough
@given(st.lists(processes(), max_size=5), SIZES, st.floats(0, 1), SIZES, SIZES)
def test_the_parts_of_a_snapshot_add_up_to_its_rss(
    found: list[ProcessUse], rss: int, anon_share: float, fell: int, others: int
) -> None:
    seen = replace(
        snapshot(*found), rss_bytes=rss, anon_bytes=round(rss * anon_share), fell_bytes=fell, others_anon_bytes=others
    )
    parts = breakdown(seen)
    named = sum(program.bytes for program in parts.programs) + (parts.others.bytes if parts.others is not None else 0)
    assert named + parts.unmapped_bytes + parts.unseen_bytes - parts.repeated_bytes == seen.seen_bytes
    assert parts.whole_bytes == seen.seen_bytes <= rss
    assert min(parts.unmapped_bytes, parts.unseen_bytes, parts.repeated_bytes) >= 0
    assert sum(program.count for program in parts.programs) == len(found)
