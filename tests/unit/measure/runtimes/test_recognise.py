"""Runtimes are recognised by their programs and mapped libraries."""

from dataclasses import replace

import pytest

from membudget.core.quantities import MIB
from membudget.measure.probe.process_use import ProcessUse, Snapshot
from membudget.measure.runtimes.recognise import kind_of, main_program, runtimes_of
from membudget.measure.runtimes.runtime import MOST_RUNTIMES, Malloc, PreforkServer, Runtime, RuntimeKind
from membudget.measure.trial import Trial
from tests.support import builders
from tests.support.runtimes import clues, process

LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
JVM = "/usr/lib/jvm/java-17/lib/server/libjvm.so"


def trial_with(snapshot: Snapshot) -> Trial:
    return replace(builders.trial(90), snapshot=snapshot)


def seen(*processes: object, rss: float = 90) -> tuple[Runtime, ...]:
    return runtimes_of([trial_with(builders.snapshot(*processes, rss=rss))])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("executable", "library", "kind"),
    [
        ("/opt/jdk/bin/java", JVM, RuntimeKind.JVM),
        ("/usr/local/bin/elasticsearch", JVM, RuntimeKind.JVM),
        ("/usr/bin/node", LIBC, RuntimeKind.NODE),
        ("/usr/bin/nodejs", LIBC, RuntimeKind.NODE),
        ("/usr/bin/python3.11", LIBC, RuntimeKind.PYTHON),
        ("/usr/sbin/uwsgi", "/usr/lib/libpython3.11.so.1.0", RuntimeKind.PYTHON),
        ("/usr/bin/ruby3.1", "/usr/lib/libruby-3.1.so.3.1", RuntimeKind.RUBY),
        ("/app/shop", "/usr/share/dotnet/shared/libcoreclr.so", RuntimeKind.DOTNET),
        ("/usr/sbin/php-fpm8.2", LIBC, RuntimeKind.PHP_FPM),
        ("/usr/lib/erlang/erts-13/bin/beam.smp", LIBC, RuntimeKind.ERLANG),
        ("/usr/sbin/nginx", LIBC, RuntimeKind.NGINX),
        ("/usr/sbin/apache2", LIBC, RuntimeKind.APACHE),
        ("/usr/lib/postgresql/15/bin/postgres", LIBC, RuntimeKind.POSTGRES),
        ("/usr/bin/redis-check-rdb", LIBC, RuntimeKind.REDIS),
    ],
)
def test_each_kind(executable: str, library: str, kind: RuntimeKind) -> None:
    assert kind_of(process(clues(executable, library))) is kind


def test_go_is_known_by_its_program() -> None:
    assert kind_of(process(replace(clues("/shop", LIBC), is_go=True))) is RuntimeKind.GO
    assert kind_of(process(clues("/shop", LIBC))) is None


def test_another_program_is_told_if_its_allocator_has_arenas() -> None:
    found = clues("/server", LIBC)
    assert found.map is not None
    assert kind_of(process(replace(found, map=replace(found.map, arenas=3)))) is RuntimeKind.PROGRAM


def test_a_process_that_calls_itself_java_is_none() -> None:
    assert kind_of(process(clues("/tmp/java", LIBC))) is None


def test_without_a_memory_map_the_name_java_is_believed() -> None:
    """Asking it then tells the truth."""
    assert kind_of(process(clues("/opt/jdk/bin/java", has_map=False))) is RuntimeKind.JVM


def test_a_process_without_clues_is_unknown() -> None:
    assert kind_of(builders.process("java", rss=10, pss=10)) is None
    assert kind_of(process(clues(None, JVM))) is None


@pytest.mark.parametrize(
    ("libraries", "malloc"),
    [
        ((LIBC,), Malloc.GLIBC),
        (("/lib/ld-musl-x86_64.so.1",), Malloc.MUSL),
        ((LIBC, "/usr/lib/libjemalloc.so.2"), Malloc.JEMALLOC),
        ((LIBC, "/usr/lib/libtcmalloc_minimal.so.4"), Malloc.TCMALLOC),
        ((LIBC, "/usr/lib/libmimalloc.so.2"), Malloc.MIMALLOC),
        ((), None),
    ],
)
def test_allocators(libraries: tuple[str, ...], malloc: Malloc | None) -> None:
    (found,) = seen(process(clues("/usr/bin/node", *libraries)))
    assert found.malloc is malloc


def test_workers_are_counted_without_their_master() -> None:
    words = ("/usr/bin/python3", "/usr/bin/gunicorn", "app")
    master = process(clues("/usr/bin/python3.11", parent=0), rss=20, pid=1, arguments=words)
    workers = [
        process(clues("/usr/bin/python3.11", parent=1), rss=30 + pid, pid=pid, arguments=words) for pid in (7, 8)
    ]
    (found,) = seen(master, *workers, rss=95)
    assert (found.kind, found.server, found.processes) == (RuntimeKind.PYTHON, PreforkServer.GUNICORN, 3)
    assert found.workers == (38 * MIB, 37 * MIB)


@pytest.mark.parametrize(
    "helper",
    [
        "from multiprocessing.resource_tracker import main;main(5)",
        "from multiprocessing.forkserver import main; main(7, 8, ['__main__'], **{'sys_path': []})",
    ],
)
def test_processes_that_help_workers_of_uvicorn_are_none(helper: str) -> None:
    python, spawned = "/usr/bin/python3.11", "from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=7)"
    master = process(clues(python, parent=0), rss=20, pid=1, arguments=("/usr/bin/python3", "/usr/bin/uvicorn"))
    helping = process(clues(python, parent=1), rss=10, pid=2, arguments=(python, "-c", helper))
    first = process(clues(python, parent=1), rss=40, pid=3, arguments=(python, "-c", spawned, "--multiprocessing-fork"))
    of_helper = process(clues(python, parent=2), rss=41, pid=4, arguments=(python, "-c", helper[:4]))
    (found,) = seen(master, helping, first, of_helper, rss=115)
    assert (found.server, found.workers) == (PreforkServer.UVICORN, (41 * MIB, 40 * MIB))


@pytest.mark.parametrize(
    ("titles", "workers"),
    [
        (
            {11: "postgres: reader shop [local] idle", 12: "postgres: 15/main: reader shop 127.0.0.1(40112) idle "},
            (12, 11),
        ),
        ({11: "postgres: reader shop [local] idle", 2: "postgres: reader shop ::1(40113) SELECT"}, (11,)),
        ({3: "postgres: reader shop ::1(40113) SELECT", 17: "postgres: reader shop ::1(40114) UPDATE"}, (4, 3)),
        ({7: "postgres: checkpointer ", 8: "postgres: autovacuum worker shop"}, ()),
    ],
    ids=["idle", "idle and busy", "busy", "its own processes"],
)
def test_the_workers_of_postgres_are_its_connections(titles: dict[int, str], workers: tuple[int, ...]) -> None:
    program = "/usr/lib/postgresql/15/bin/postgres"
    first = process(clues(program, parent=0), rss=30, pid=1, arguments=("postgres", "-c", "work_mem=16MB"))
    forked = [process(clues(program, parent=1), rss=pid, pid=pid, arguments=(said,)) for pid, said in titles.items()]
    (found,) = seen(first, *forked, rss=95)
    assert found.workers == tuple(size * MIB for size in workers)
    assert found.server is None


def test_settings_are_those_of_the_process_that_still_has_its_command_line() -> None:
    program = "/usr/lib/postgresql/15/bin/postgres"
    first = process(clues(program, settings=("work_mem=16MB",), parent=0), rss=10, pid=1)
    backend = process(clues(program, parent=1), rss=40, pid=2, arguments=("postgres: shop [local] SELECT",))
    (found,) = seen(first, backend)
    assert found.settings == ("work_mem=16MB",)


def test_a_brief_look_counts_what_the_last_memory_maps_showed() -> None:
    def brief(rss: float, held: float, pid: int) -> ProcessUse:
        known = process(clues("/usr/bin/python3.11", held=held, parent=1 if pid > 1 else 0), rss=rss, pid=pid,
                        arguments=("gunicorn",))  # fmt: skip
        return replace(known, held_anon_bytes=None, held_shmem_bytes=None, pss_bytes=None)

    (found,) = seen(brief(20, 6, 1), brief(40, 26, 7), brief(40, 24, 8), rss=112)
    assert found.workers == (26 * MIB, 24 * MIB)
    assert (found.held_bytes, found.others_bytes, found.counts_pages_once) == (26 * MIB, 30 * MIB, True)
    unknown = brief(40, 26, 9)
    unknown = replace(unknown, clues=replace(unknown.clues, map=None))  # type: ignore[type-var]
    (found,) = seen(brief(20, 6, 1), brief(40, 26, 7), unknown, rss=112)
    assert not found.counts_pages_once


def test_near_the_limit_workers_hold_at_least_what_their_parent_has_not() -> None:
    """The last memory maps are from before the workers grew."""

    def grown(anon: float, pid: int) -> ProcessUse:
        known = process(clues("/usr/bin/python3.11", held=8, parent=1 if pid > 1 else 0), rss=anon + 10, pid=pid,
                        arguments=("gunicorn",))  # fmt: skip
        anon_bytes = round(anon * MIB)
        return replace(known, held_anon_bytes=None, held_shmem_bytes=None, pss_bytes=None, anon_bytes=anon_bytes)

    (found,) = seen(grown(15, 1), grown(50, 7), grown(48, 8), rss=90)
    assert found.workers == (35 * MIB, 33 * MIB)
    assert (found.counts_pages_once, found.container_bytes) == (True, 90 * MIB)


@pytest.mark.parametrize(
    ("executable", "title", "server"),
    [
        ("/usr/bin/python3.11", "gunicorn: worker [app]", PreforkServer.GUNICORN),
        ("/usr/bin/python3.11", "/usr/local/bin/uvicorn", PreforkServer.UVICORN),
        ("/usr/bin/ruby3.1", "puma: cluster worker 0: 1 [app]", PreforkServer.PUMA),
        ("/usr/bin/ruby3.1", "unicorn worker[0]", PreforkServer.UNICORN),
        ("/usr/sbin/php-fpm8.2", "php-fpm: pool www", PreforkServer.PHP_FPM),
        ("/usr/bin/python3.11", "worker.py", None),
    ],
)
def test_servers(executable: str, title: str, server: PreforkServer | None) -> None:
    (found,) = seen(process(clues(executable), arguments=(title,)))
    assert found.server is server


def test_apache_is_a_server_also_if_a_module_brings_a_runtime_into_it() -> None:
    python = "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0"  # as with mod_wsgi
    master = process(clues("/usr/sbin/apache2", python, parent=0), rss=20, pid=1)
    workers = [process(clues("/usr/sbin/apache2", python, parent=1), rss=40, pid=pid) for pid in (2, 3)]
    (found,) = seen(master, *workers, rss=100)
    assert (found.kind, found.server) == (RuntimeKind.PYTHON, PreforkServer.APACHE)
    assert found.workers == (40 * MIB, 40 * MIB)


def test_a_look_that_left_processes_out_may_miss_workers() -> None:
    looked = builders.snapshot(process(clues("/usr/bin/python3.11"), arguments=("gunicorn",)), rss=90)
    for others, is_whole in ((0, True), (MIB, False)):
        (found,) = runtimes_of([trial_with(replace(looked, others_anon_bytes=others))])
        assert found.lists_all_processes is is_whole


def test_the_runtime_with_the_most_memory_comes_first_and_knows_what_others_hold() -> None:
    small, large = process(clues("/usr/sbin/nginx"), rss=10, pid=1), process(clues("/usr/bin/node"), rss=80, pid=2)
    node, nginx = seen(small, large)
    assert (node.kind, node.others_bytes) == (RuntimeKind.NODE, 10 * MIB)
    assert (nginx.kind, nginx.others_bytes) == (RuntimeKind.NGINX, 80 * MIB)


def test_a_look_with_a_memory_map_is_preferred_to_a_larger_one_without() -> None:
    with_map = builders.snapshot(process(clues("/opt/jdk/bin/java", JVM)), rss=80)
    without = builders.snapshot(process(clues("/opt/jdk/bin/java", has_map=False)), rss=90)
    (found,) = runtimes_of([trial_with(without), trial_with(with_map)])
    assert found.has_map


def test_nothing_is_seen_without_looks_and_few_of_many_programs_are_kept() -> None:
    assert runtimes_of([builders.trial(40)]) == ()
    many = [process(clues(f"/opt/{number}/node"), rss=1, pid=number) for number in range(1, 30)]
    assert len(seen(*many)) == MOST_RUNTIMES


def test_another_program_is_told_if_its_allocator_can_return_memory() -> None:
    assert kind_of(process(clues("/server", LIBC, "/usr/lib/libjemalloc.so.2"))) is RuntimeKind.PROGRAM
    assert kind_of(process(clues("/server", LIBC, "/usr/lib/libtcmalloc_minimal.so.4"))) is RuntimeKind.PROGRAM


@pytest.mark.parametrize(
    ("title", "settings"),
    [
        (("php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)",), ("--fpm-config=/etc/php/8.2/fpm/php-fpm.conf",)),
        (("php-fpm:", "pool", "www"), ()),
        (("php-fpm: master process (-y;rm)",), ()),
        (("php-fpm: master process (/etc/a b)",), ()),
    ],
)
def test_the_configuration_of_php_fpm_is_in_its_title(title: tuple[str, ...], settings: tuple[str, ...]) -> None:
    (found,) = seen(process(clues("/usr/sbin/php-fpm8.2"), arguments=title))
    assert found.settings == settings


def test_the_main_program_is_that_whose_processes_hold_the_most_together() -> None:
    python = "/usr/bin/python3.11"
    workers = [process(clues(python, held=40), rss=40, pid=pid) for pid in (1, 2, 3)]
    java = process(clues("/opt/jdk/bin/java", JVM, held=90), rss=90, pid=4)
    trial = trial_with(builders.snapshot(*workers, java, rss=210))
    assert main_program([trial]) == (RuntimeKind.PYTHON, python)


def test_the_main_program_may_be_unknown() -> None:
    shell = process(clues("/bin/sh", held=5), rss=5, pid=1)
    own = process(clues("/srv/engine", held=80), rss=80, pid=2)
    assert main_program([trial_with(builders.snapshot(shell, own))]) == (None, "/srv/engine")
    assert main_program([trial_with(builders.snapshot(replace(own, clues=None)))]) == (None, None)
    assert main_program([builders.trial(90)]) == (None, None)


def test_a_fake_build_id_of_go_outranks_neither_a_library_nor_a_known_program() -> None:
    assert kind_of(process(replace(clues("/shop", LIBC, JVM), is_go=True))) is RuntimeKind.JVM
    assert kind_of(process(replace(clues("/usr/bin/node", LIBC), is_go=True))) is RuntimeKind.NODE


@pytest.mark.parametrize("count", [12, 30])
def test_servers_with_more_workers_than_memory_maps_are_counted(count: int) -> None:
    """The master is the smallest process, so its memory map is not kept."""
    python, words = "/usr/bin/python3.11", ("/usr/bin/python3", "/usr/bin/gunicorn", "app")
    workers = [
        process(clues(python, parent=1, has_map=pid < 13, held=20), rss=20, pid=pid, arguments=words)
        for pid in range(2, count + 2)
    ]
    master = process(clues(python, parent=0, has_map=False), rss=10, pid=1, arguments=words)
    (found,) = seen(*workers, master, rss=20 * count + 10)
    assert (found.server, len(found.workers), found.processes) == (PreforkServer.GUNICORN, count, count + 1)
    assert main_program([trial_with(builders.snapshot(*workers, master))]) == (RuntimeKind.PYTHON, python)


def test_small_processes_run_on_what_others_of_their_program_run_on() -> None:
    uwsgi, library = "/usr/sbin/uwsgi", "/usr/lib/libpython3.11.so.1.0"
    large, small = process(clues(uwsgi, library), pid=1), process(clues(uwsgi, has_map=False), rss=1, pid=2)
    assert [one.processes for one in seen(large, small)] == [2]
    fake = process(clues("/tmp/java", LIBC), pid=1)
    assert seen(fake, process(clues("/tmp/java", has_map=False), rss=1, pid=2)) == ()
