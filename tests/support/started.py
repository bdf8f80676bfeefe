"""What tests start, so that nothing of it outlives its test: tests/conftest.py ends what still runs."""

import subprocess
from typing import AnyStr

import processes
from tests.support.awaited import PATIENCE_S

_STARTED: "list[subprocess.Popen[str] | subprocess.Popen[bytes]]" = []


def started(process: "subprocess.Popen[AnyStr]") -> "subprocess.Popen[AnyStr]":
    """Remember a process, which leads a group."""
    _STARTED.append(process)
    return process


def end_started() -> None:
    """End what a test left at work: membudget gets the time to clean up."""
    for process in _STARTED:
        if process.poll() is None:
            processes.end_group(process, PATIENCE_S)


def started_pids() -> set[int]:
    """Of all that was started, also of what has ended."""
    return {process.pid for process in _STARTED}
