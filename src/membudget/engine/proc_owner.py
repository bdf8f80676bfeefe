"""Process identities from /proc: our own, and whether another run's process still lives."""

import hashlib
import os
import socket
import time
from pathlib import Path

from membudget.engine.run_id import ProcessIdentity, RunId

_PROC = Path("/proc")


def own_run_id() -> RunId:
    """A new run id for this process."""
    pid = os.getpid()
    return RunId.new(ProcessIdentity(_boot(), _pid_namespace(), pid, _start_ticks(pid) or 0), int(time.time()))


def owner_lives(run: RunId) -> bool | None:
    """Whether the process of `run` lives; None when it cannot be seen from here (other machine or namespace)."""
    if (run.owner.boot, run.owner.pid_namespace) != (_boot(), _pid_namespace()):
        return None
    started = _start_ticks(run.owner.pid)
    if started is None and _is_hidden(run.owner.pid):
        return None
    return started == run.owner.start_ticks


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text()[:8]
    except OSError:  # not Linux: the client side of Docker Desktop
        return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _pid_namespace() -> str:
    try:
        return f"{(_PROC / 'self/ns/pid').stat().st_ino & 0xFFFFFFFF:08x}"
    except OSError:
        return "0" * 8


def _start_ticks(pid: int) -> int | None:
    """Start time of a process, in ticks since boot; None when there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except FileNotFoundError:
        return None if _PROC.joinpath("self").exists() else _alive_without_proc(pid)
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _is_hidden(pid: int) -> bool:
    """Whether a process is there that /proc does not show: another user's, with `hidepid` (proc(5))."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def _alive_without_proc(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0
