"""What is kept of command lines and environments: what sets memory, and nothing else."""

import os
from pathlib import Path

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
