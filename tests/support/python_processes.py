"""Python processes of this machine, started to be asked."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime

READY = "print('ready', flush=True); input()\n"
"""The end of a program that waits until it is asked."""
SEARCH = """
class Index:
    def build(self):
        self.words = [bytes(4000) for _ in range(2_000)]
        return self

def main():
    return Index().build()

kept = main()
"""
"""A program that keeps 2,000 times 4,000 bytes in one line of one function."""


@contextmanager
def python(program: Path | str, *options: str, path: str) -> Iterator[RunningRuntime]:
    """A process that runs a program, has printed "ready", and waits. `path` is its PYTHONPATH."""
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    what = [str(program)] if isinstance(program, Path) else ["-c", program]
    command = [sys.executable, *options, *what]
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            status = Path(f"/proc/{process.pid}/status").read_text()
            (mask,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
            caught = frozenset(number for number in range(1, 65) if mask >> (number - 1) & 1)
            folder, handle = os.open(f"/proc/{process.pid}", os.O_RDONLY), os.pidfd_open(process.pid)
            yield RunningRuntime(
                AskableRuntime.CPYTHON, process.pid, os.geteuid(), os.getegid(), caught, folder, handle
            )
            os.close(folder)
            os.close(handle)
        finally:
            process.kill()
