"""Which wheel of memray fits, by what was seen of a container's processes."""

from dataclasses import replace

import pytest

from membudget.measure.profiling.interpreter import Interpreter, Libc, interpreter_of
from membudget.measure.profiling.memray_wheels import MEMRAY_VERSION, WHEELS, wheel_for
from membudget.measure.trial import Trial
from tests.support import builders
from tests.support.runtimes import clues, process

GLIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"


def trial(program: str | None, *libraries: str) -> Trial:
    seen = builders.snapshot(process(clues(program, *libraries)), rss=90)
    return replace(builders.trial(90), snapshot=seen)


@pytest.mark.parametrize(
    ("program", "libraries", "found"),
    [
        ("/usr/bin/python3.11", (GLIBC,), Interpreter(11, Libc.GLIBC)),
        ("/usr/local/bin/python3.14", ("/usr/local/lib/libpython3.14.so.1.0", GLIBC), Interpreter(14, Libc.GLIBC)),
        ("/usr/bin/uwsgi", ("/usr/lib/libpython3.9.so.1.0", GLIBC), Interpreter(9, Libc.GLIBC)),
        ("/usr/local/bin/python3.12", ("/lib/ld-musl-x86_64.so.1",), Interpreter(12, Libc.MUSL)),
        ("/usr/local/bin/python3.12", ("/lib/libc.musl-x86_64.so.1",), Interpreter(12, Libc.MUSL)),
        ("/usr/bin/python3.9", ("/lib64/libc-2.28.so",), Interpreter(9, Libc.GLIBC)),
        ("/usr/bin/python3", (GLIBC,), None),
        ("/usr/bin/python3.11", (), None),
        ("/usr/bin/python3.13t", ("/usr/lib/libpython3.13t.so.1.0", GLIBC), None),
        ("/usr/bin/python3.11", ("/usr/lib/libpython3.12.so.1.0", GLIBC), None),
        ("/usr/bin/python3.11", ("/lib/ld-musl-x86_64.so.1", GLIBC), None),
        ("/usr/bin/python3." + "9" * 5000, (GLIBC,), None),
        (None, (GLIBC,), None),
    ],
)
def test_version_and_c_library_are_seen(
    program: str | None, libraries: tuple[str, ...], found: Interpreter | None
) -> None:
    assert interpreter_of([trial(program, *libraries)]) == found


def test_without_trials_nothing_is_known() -> None:
    assert interpreter_of([]) is None


@pytest.mark.parametrize(
    ("interpreter", "platform", "begins", "ends"),
    [
        (Interpreter(11, Libc.GLIBC), "linux/amd64", "cp311-cp311-manylinux", "x86_64.whl"),
        (Interpreter(14, Libc.GLIBC), "linux/arm64", "cp314-cp314-manylinux", "aarch64.whl"),
        (Interpreter(14, Libc.GLIBC), "linux/arm64/v8", "cp314-cp314-manylinux", "aarch64.whl"),
        (Interpreter(9, Libc.MUSL), "linux/amd64", "cp39-cp39-musllinux", "x86_64.whl"),
    ],
)
def test_the_wheel_fits_python_libc_and_architecture(
    interpreter: Interpreter, platform: str, begins: str, ends: str
) -> None:
    wheel = wheel_for(interpreter, platform)
    assert wheel is not None
    assert wheel.file.startswith(f"memray-{MEMRAY_VERSION}-{begins}")
    assert wheel.file.endswith(ends)


@pytest.mark.parametrize(
    ("interpreter", "platform"),
    [
        (Interpreter(8, Libc.GLIBC), "linux/amd64"),
        (Interpreter(99, Libc.GLIBC), "linux/amd64"),
        (Interpreter(11, Libc.MUSL), "linux/arm64"),
        (Interpreter(11, Libc.GLIBC), "linux/s390x"),
        (Interpreter(11, Libc.GLIBC), "windows/amd64"),
    ],
)
def test_some_have_no_wheel(interpreter: Interpreter, platform: str) -> None:
    assert wheel_for(interpreter, platform) is None


def test_each_python_has_one_wheel_for_each_libc_and_architecture() -> None:
    for minor in range(9, 15):
        for libc, platform in ((Libc.GLIBC, "x86_64"), (Libc.GLIBC, "aarch64"), (Libc.MUSL, "x86_64")):
            assert sum(wheel.fits(Interpreter(minor, libc), platform) for wheel in WHEELS) == 1
    assert all(len(wheel.sha256) == 64 and 1 << 20 < wheel.size_bytes < 1 << 25 for wheel in WHEELS)
