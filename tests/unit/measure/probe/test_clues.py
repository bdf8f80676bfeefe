"""What is kept of command lines and environments: what sets memory, and nothing else."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.probe.clues import Programs, executable, kept_variables, settings, telling_libraries, variables

ENVIRONMENT = b"\0".join([
    b"DATABASE_PASSWORD=hunter2",
    b"JAVA_TOOL_OPTIONS=-Xmx512m -Ddb.password=hunter2 -XX:MaxRAMPercentage=75 -javaagent:/a.jar=key=hunter2",
    b"NODE_OPTIONS=--require ./hunter2.js --max-old-space-size=512",
    b"GOMEMLIMIT=200MiB",
    b"GOGC=hunter2 with spaces",
    b"MALLOC_ARENA_MAX=2",
    b"",
])  # fmt: skip


def test_only_what_sets_memory_is_kept_of_an_environment() -> None:
    assert dict(kept_variables(ENVIRONMENT)) == {
        "JAVA_TOOL_OPTIONS": "-Xmx512m -XX:MaxRAMPercentage=75",
        "NODE_OPTIONS": "--max-old-space-size=512",
        "GOMEMLIMIT": "200MiB",
        "MALLOC_ARENA_MAX": "2",
    }


def test_values_that_are_commands_or_paths_are_not_kept() -> None:
    words = (
        b"JAVA_TOOL_OPTIONS=-XX:OnOutOfMemoryError='curl x' -XX:HeapDumpPath=/secret/x -XX:+HeapDumpOnOutOfMemoryError"
    )
    assert dict(kept_variables(words)) == {"JAVA_TOOL_OPTIONS": "-XX:+HeapDumpOnOutOfMemoryError"}


@given(st.binary(max_size=600))
def test_any_environment_is_read_without_a_crash_and_within_bounds(data: bytes) -> None:
    found = dict(kept_variables(data))
    assert sum(len(value) for value in found.values()) <= len(data)


def test_a_command_line_keeps_only_words_that_set_memory(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(
        b"java\0-Xmx64m\0-Dpassword=hunter2\0-XX:+UseSerialGC\0-jar\0app.jar\0--password\0hunter2\0"
    )
    assert settings(tmp_path) == ("-Xmx64m", "-XX:+UseSerialGC")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (
            b"/usr/lib/postgresql/15/bin/postgres -D /var/lib/main -c config_file=/etc/postgresql/postgresql.conf",
            ("-D/var/lib/main", "config_file=/etc/postgresql/postgresql.conf"),
        ),
        (b"postgres -D/data --shared-buffers=64MB --work_mem=4MB", ("-D/data", "shared_buffers=64MB", "work_mem=4MB")),
        (b"postgres -N 50 -B1000 -S 512", ("max_connections=50", "shared_buffers=1000", "work_mem=512")),
        (b"postgres -cwork_mem=8MB -c data_directory=/d", ("work_mem=8MB", "data_directory=/d")),
        (b"postgres -c archive_command=hunter2 -c ssl_key_file=/hunter2 -h hunter2 -c", ()),
        (b"postgres: -D /data", ()),
        (b"postgres -c max-connections=500 -cWork_Mem=64MB", ("max_connections=500", "work_mem=64MB")),
        (b"postgres --Shared-Buffers=1GB -c Config-File=/A-b", ("shared_buffers=1GB", "config_file=/A-b")),
        (b"backup -D /data --work_mem=4MB", ()),
    ],
)
def test_settings_of_postgres_are_kept_however_they_are_written(
    tmp_path: Path, line: bytes, kept: tuple[str, ...]
) -> None:
    (tmp_path / "cmdline").write_bytes(line.replace(b" ", b"\0") + b"\0")
    assert settings(tmp_path) == kept


@given(st.binary(max_size=600))
def test_any_command_line_of_postgres_is_read_without_a_crash(
    tmp_path_factory: pytest.TempPathFactory, line: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "cmdline").write_bytes(b"postgres\0" + line)
    assert all(len(word) < 300 for word in settings(folder))


def test_a_program_is_read_once_for_all_its_processes(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF".ljust(3996, b"\0") + b"\x04\0\0\0\x53\0\0\0\x04\0\0\0Go\0\0")
    programs = Programs()
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "exe").symlink_to(program)
    assert programs.is_go(tmp_path / "1")
    with program.open("r+b") as file:
        file.write(bytes(4096))
    assert programs.is_go(tmp_path / "2"), "the same file"
    programs.forget()
    assert not programs.is_go(tmp_path / "2")
    assert not programs.is_go(tmp_path / "gone")


def test_a_process_without_rights_or_life_shows_nothing(tmp_path: Path) -> None:
    assert executable(tmp_path) is None
    assert variables(tmp_path) == {}


def test_a_real_process_shows_its_program() -> None:
    assert executable(Path("/proc") / str(os.getpid())) == str(Path("/proc/self/exe").readlink())


def test_libraries_of_runtimes_and_allocators_are_kept() -> None:
    paths = ["/usr/lib/libjvm.so", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/srv/secret/customers.db"]
    paths += ["/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "/lib/ld-musl-x86_64.so.1", "/usr/lib/libcrypto.so"]
    assert telling_libraries(paths) == (
        "/lib/ld-musl-x86_64.so.1", "/usr/lib/libjvm.so", "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
    )  # fmt: skip
