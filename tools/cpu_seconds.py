"""Shows what CPU time each test costs: its own, that of its engine, and that of the containers that it starts.

    python tools/cpu_seconds.py PYTEST ARGUMENTS...

Tests run one after another, on a second engine, or on none with ENGINE=none. All that they start is in one cgroup: what
else runs on the machine is not counted. Start it by `tools/engine.py run --`. It needs root and cgroup v1.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import second_engine

_TREE = Path("/sys/fs/cgroup/cpuacct")
_INSIDE = "MEMBUDGET_CPU_SECONDS"
_BOUND = 'mount --bind "$1" /mnt && umount "$2" && mount --move /mnt "$2" && shift 2 && exec "$@"'
"""Where all see one cgroup as the root, containers get theirs below it, wherever they are put."""
_SHOWN = 40


class Account:
    """The CPU seconds of each test and module, its fixtures included."""

    def __init__(self) -> None:
        self._tests: dict[str, float] = {}
        self._begun = _used_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Count what a test and the fixtures that it is first to use take."""
        before = _used_s()
        try:
            return (yield)
        finally:
            self._tests[item.nodeid] = _used_s() - before

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the most expensive tests and modules."""
        modules: dict[str, float] = {}
        for test, seconds in self._tests.items():
            module = test.partition("::")[0]
            modules[module] = modules.get(module, 0) + seconds
        terminalreporter.section("CPU seconds")
        for counted in (self._tests, modules):
            for name in sorted(counted, key=counted.__getitem__, reverse=True)[:_SHOWN]:
                terminalreporter.line(f"{counted[name]:8.2f}  {name}")
        terminalreporter.line(f"{_used_s() - self._begun:8.2f}  in all, with collection")


def _used_s() -> float:
    return int((_TREE / "cpuacct.usage").read_text()) / 1e9


def main() -> int:
    """Run pytest in a cgroup; its exit code."""
    if os.environ.pop(_INSIDE, None):
        with ExitStack() as stack:
            if os.environ.get("ENGINE") != "none":
                os.environ.update(stack.enter_context(second_engine.opened()))
                tempfile.tempdir = None  # it was asked for before
            os.environ["MEMBUDGET_TEST_ALL"] = "1"
            return int(pytest.main(sys.argv[1:], plugins=[Account()]))
    own = _TREE / f"tests_{os.getpid()}"
    own.mkdir()
    (own / "cgroup.procs").write_text(str(os.getpid()))
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        _BOUND,
        "sh",
        str(own),
        str(_TREE),
        sys.executable,
        __file__,
        *sys.argv[1:],
    ]
    try:
        return subprocess.run(command, env={**os.environ, _INSIDE: "1"}, check=False).returncode
    finally:
        (_TREE / "cgroup.procs").write_text(str(os.getpid()))
        for folder in sorted(own.rglob("*/"), reverse=True):
            folder.rmdir()
        own.rmdir()


if __name__ == "__main__":
    sys.exit(main())
