"""Runs of pytest side by side that take test modules in turns: one that is through with a module takes the next one.

    python tools/in_turns.py [PYTEST OPTIONS...] -- FOLDERS OR MODULES...

There is one for each CPU, and they end together. pytest-xdist takes more CPU time: there, each process imports all
modules, tests of a class that share what is slow to make are torn apart, and each result is sent to another process.
"""

import gc
import multiprocessing
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

_SHARED_MEMORY = "/dev/shm"
_ROOM = 4 << 30
"""Bytes that tests may have written at a time: a history of half a gigabyte is among them."""
_WIDTH = 4
"""Bytes of a turn, which is a module's number. A pipe gives so few at once to one reader only."""
_NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)


class Turns:
    """As a plugin of pytest: collects and runs one module after another, as long as there are turns."""

    def __init__(self, turns: int) -> None:
        self._modules: tuple[pytest.Item | pytest.Collector, ...] = ()
        self._turns = turns

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        """Find the modules. What is in them is left to the turns."""
        session.perform_collect(genitems=False)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the modules, which come first, from a choice that is meant for tests."""
        if not self._modules:
            self._modules = tuple(items)
            items.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests of each module. A session's fixtures stay from module to module."""
        items = self._items(session)
        item = next(items, None)
        while item is not None:
            following = next(items, None)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            session.testscollected += 1
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
            item = following
        return True

    def _items(self, session: pytest.Session) -> Iterator[pytest.Item]:
        while turn := os.read(self._turns, _WIDTH):
            gc.disable()  # until tests/conftest.py has exempted the module
            items = session.items = list(session.genitems(self._modules[int.from_bytes(turn)]))
            session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=items)
            session.config.hook.pytest_collection_finish(session=session)
            yield from items


def run(options: Sequence[str], modules: Sequence[str], count: int) -> int:
    """Run the tests of the modules in `count` processes; pytest's exit code of the first that failed.

    What others say comes after what this process says.
    """
    turns = _turns(len(modules))
    fork = multiprocessing.get_context("fork")  # pytest is imported
    with ExitStack() as stack:
        # Of runs that share pytest's own folder and end at once, one fails: each removes links that the other wants to.
        files = tempfile.TemporaryDirectory(prefix="mb-", dir=in_memory(), ignore_cleanup_errors=True)
        folder = stack.enter_context(files)
        beside = []
        for number in range(1, count):
            said = stack.enter_context(tempfile.TemporaryFile("w+"))
            own = [f"--basetemp={folder}/{number}", *options]
            process = fork.Process(target=_run_beside, args=(own, modules, turns, said))
            process.start()
            stack.callback(process.terminate)
            beside.append((process, said))
        codes = [_run([f"--basetemp={folder}/0", *options], modules, turns)]
        for process, said in beside:
            process.join()
            said.seek(0)
            print(said.read(), end="", flush=True)
            codes.append(process.exitcode or 0)
    ran = [code for code in codes if code != _NO_TESTS]  # a -k may choose nothing of a process's modules
    return next((code for code in ran if code), 0) if ran else _NO_TESTS


def in_memory(
    folder: str = _SHARED_MEMORY,
    memory: Path = Path("/proc/meminfo"),
    asked: Callable[[str], os.statvfs_result] = os.statvfs,
) -> str | None:
    """The folder in memory, where tests can have their files in it; None means the usual one, which TMPDIR can name.

    Tests make and remove files by the thousand. For each new one, ext4 looks past those that were just removed
    (`recently_deleted`, fs/ext4/ialloc.c), which can take a third of a run.
    """
    if "TMPDIR" in os.environ:
        return None
    try:
        found = asked(folder)
        [available] = re.findall(r"^MemAvailable: +([0-9]+) kB$", memory.read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return None
    room = min(found.f_bavail * found.f_frsize, int(available) * 1024 // 2)
    return folder if room >= _ROOM and not found.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK) else None


def modules_in(paths: Sequence[str]) -> list[str]:
    """The test modules in folders, or given: the largest first, so that the last ones are short."""
    found = [Path(path) for path in paths]
    modules = {module for path in found for module in (path.rglob("test_*.py") if path.is_dir() else [path])}
    return [str(module) for module in sorted(modules, key=lambda module: (-module.stat().st_size, module))]


def _turns(count: int) -> int:
    """The end of a pipe from which each of `count` numbers can be read once, by whoever comes first."""
    reading, writing = os.pipe()
    os.write(writing, b"".join(number.to_bytes(_WIDTH) for number in range(count)))
    os.close(writing)
    return reading


def _run_beside(options: Sequence[str], modules: Sequence[str], turns: int, said: IO[str]) -> None:
    for output in (sys.stdout, sys.stderr):
        os.dup2(said.fileno(), output.fileno())
    sys.exit(_run(["-p", "no:cacheprovider", *options], modules, turns))


def _run(options: Sequence[str], modules: Sequence[str], turns: int) -> int:
    command = ["-p", "no:xdist", "--quiet", "-o", "console_output_style=classic", *options, *modules]
    return int(pytest.main(command, plugins=[Turns(turns)]))


def main() -> int:
    """Run what the command line says in one process for each CPU; pytest's exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs beside us ends with us
    split = sys.argv.index("--")
    return run(sys.argv[1:split], modules_in(sys.argv[split + 1 :]), os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())
