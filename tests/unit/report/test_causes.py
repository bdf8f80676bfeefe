from dataclasses import replace

import pytest

from membudget.core.quantities import MIB
from membudget.measure.probe.messages import FileUse
from membudget.report.causes import Cause, causes, program_name
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


def test_workers_of_one_program_are_one_cause_and_what_they_share_counts_once() -> None:
    workers = [process("gunicorn: worker [app]", rss=31, pss=22 + 9 / 4, pid=pid) for pid in range(4)]
    seen = snapshot(*(replace(one, shared_bytes=9 * MIB) for one in workers), process("cron", rss=1, pss=1))
    assert causes(seen) == (Cause(4, "gunicorn", "31.0 MiB each, of which 9.0 MiB shared", round(4 * 24.25 * MIB)),)


def test_a_large_library_is_a_cause_of_its_own() -> None:
    seen = snapshot(process("serve", rss=300, pss=300), files=(FileUse("/usr/lib/libtorch.so", 210 * MIB),))
    assert [(cause.name, cause.words) for cause in causes(seen)] == [
        ("serve", "300.0 MiB"),
        ("libtorch.so", "210.0 MiB file-backed"),
    ]


def test_without_pss_it_says_that_pages_count_more_than_once() -> None:
    seen = replace(snapshot(*(process("worker", rss=30, pss=None, pid=pid) for pid in (1, 2))), summed_pss_bytes=None)
    assert causes(seen)[0].words == "30.0 MiB each, pages that they share counted more than once"


def test_by_status_alone_anonymous_and_shared_memory_count() -> None:
    one = replace(process("worker", rss=30, pss=None), anon_bytes=20 * MIB, shmem_bytes=4 * MIB, file_bytes=6 * MIB)
    alone = replace(snapshot(one), summed_pss_bytes=None)
    assert causes(alone) == (Cause(1, "worker", "24.0 MiB anonymous and shared", 24 * MIB),)
    two = replace(snapshot(one, replace(one, pid=2)), summed_pss_bytes=None)
    assert causes(two)[0].words == "24.0 MiB each anonymous and shared, pages that they share counted more than once"


def test_only_the_biggest_are_named() -> None:
    seen = snapshot(*(process(f"program{number}", rss=20 - number, pss=20 - number) for number in range(6)))
    assert [cause.name for cause in causes(seen)] == ["program0", "program1", "program2"]
