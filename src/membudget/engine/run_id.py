"""Who owns what lies around in an engine: the run's id is on every container, cgroup, image tag and folder.

The id says which process made it and when, so that a later run can tell the leftovers of a killed one from the
belongings of one that still works, with nothing stored anywhere.
"""

import hashlib
import os
import re
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path

_FORMAT = re.compile(r"([0-9a-f]{8})x(\d{1,7})x(\d{1,19})x([0-9a-f]{8})x(\d{1,19})x([0-9a-f]{4})", re.ASCII)
"""A label is anybody's to set: what has more digits is no process, and no call of the kernel's takes it."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that no later one can be mistaken for."""

    boot: str
    """First 8 hex digits of the kernel's boot id: which machine, since when."""
    pid_namespace: str
    """Inode of the PID namespace, 8 hex digits: in which the pid means something."""
    pid: int
    start_ticks: int
    """Start time in clock ticks since boot (proc(5), stat field 22): pids are used again, this is not."""


@dataclass(frozen=True, slots=True)
class RunId:
    """One invocation of membudget. `str()` fits cgroup names, image tags and container names."""

    owner: ProcessIdentity
    started_at: int
    """Seconds since the epoch."""
    nonce: str

    @classmethod
    def new(cls, owner: ProcessIdentity, started_at: int) -> "RunId":
        """A fresh id for a run of `owner`."""
        return cls(owner, started_at, secrets.token_hex(2))

    @classmethod
    def parse(cls, text: str) -> "RunId | None":
        """The id that `text` is, or None when it is none of ours."""
        matched = _FORMAT.fullmatch(text)
        if matched is None:
            return None
        boot, pid, ticks, namespace, started_at, nonce = matched.groups()
        return cls(ProcessIdentity(boot, namespace, int(pid), int(ticks)), int(started_at), nonce)

    def __str__(self) -> str:
        owner = self.owner
        fields = (owner.boot, owner.pid, owner.start_ticks, owner.pid_namespace, self.started_at, self.nonce)
        return "x".join(map(str, fields))


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
