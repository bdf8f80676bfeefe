"""What tests start, so that nothing of it outlives its test: tests/conftest.py ends what still runs.

What a thread starts is the thread's: tests/attacks runs checks ahead of their tests.
"""

import subprocess
import threading
from typing import AnyStr

import processes
from tests.support.awaited import PATIENCE_S

_STARTED: "list[tuple[int, subprocess.Popen[str] | subprocess.Popen[bytes]]]" = []
"""By the thread."""


def started(process: "subprocess.Popen[AnyStr]") -> "subprocess.Popen[AnyStr]":
    """Remember a process, which leads a group."""
    _STARTED.append((threading.get_ident(), process))
    return process


def end_started() -> None:
    """End what this thread left at work: membudget gets the time to clean up."""
    for thread, process in _STARTED:
        if thread == threading.get_ident() and process.poll() is None:
            processes.end_group(process, PATIENCE_S)


def started_pids() -> set[int]:
    """Of all that was started, also of what has ended."""
    return {process.pid for _, process in _STARTED}
