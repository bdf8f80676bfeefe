"""Which processes are runtimes that can be asked."""

import os
from pathlib import Path

import pytest

from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import running_runtimes, runtime_of


@pytest.mark.parametrize(
    ("program", "libraries", "runtime"),
    [
        ("java", ("libc.so.6", "libjvm.so"), AskableRuntime.HOTSPOT),
        ("java", (), AskableRuntime.HOTSPOT),
        ("own-launcher", ("libjvm.so",), AskableRuntime.HOTSPOT),
        ("node", (), AskableRuntime.NODE),
        ("nodejs", (), AskableRuntime.NODE),
        ("python3", (), AskableRuntime.CPYTHON),
        ("python3.13t", (), AskableRuntime.CPYTHON),
        ("uwsgi", ("libpython3.11.so.1.0",), AskableRuntime.CPYTHON),
        ("python-argcomplete", (), None),
        ("ruby3.1", (), AskableRuntime.RUBY),
        ("puma", ("libruby-3.1.so.3.1.2",), AskableRuntime.RUBY),
        ("rubyfmt", (), None),
        ("pypy3", (), None),
        ("javascript", (), None),
        ("python2.7", (), None),
        ("nginx", (), None),
        ("sh", ("libc.so.6",), None),
    ],
)
def test_a_runtime_is_known_by_its_program_or_its_library(
    program: str, libraries: tuple[str, ...], runtime: AskableRuntime | None
) -> None:
    assert runtime_of(program, frozenset(libraries)) is runtime


@pytest.mark.skipif(not Path("/proc/self/ns/pid").is_symlink(), reason="/proc is Linux's")
def test_processes_of_this_machine_are_never_asked() -> None:
    with pytest.raises(PermissionError, match="no PID namespace of its own"), running_runtimes(os.getpid()):
        pass
