"""The run ID, which is part of every container, cgroup, image tag and folder that membudget creates.

It identifies the process and its start time. A later run can thus tell the leftovers of a killed run from the property
of a live one, without storing anything.
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
"""Anyone can set a label. Numbers with more digits are not process IDs, and system calls do not accept them."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Identifies a process uniquely, even among later ones."""

    boot: str
    """The first 8 hex digits of the kernel's boot ID, which identifies the machine and the boot."""
    pid_namespace: str
    """The inode of the PID namespace in which `pid` is valid, as 8 hex digits."""
    pid: int
    start_ticks: int
    """The start time in clock ticks since boot (proc(5), stat field 22). PIDs are reused, but this differs."""


@dataclass(frozen=True, slots=True)
class RunId:
    """One invocation of membudget. `str()` of it is valid in names of cgroups, image tags and containers."""

    owner: ProcessIdentity
    started_at: int
    """In seconds since the epoch."""
    nonce: str

    @classmethod
    def new(cls, owner: ProcessIdentity, started_at: int) -> "RunId":
        """Return a new ID for a run of `owner`."""
        return cls(owner, started_at, secrets.token_hex(2))

    @classmethod
    def parse(cls, text: str) -> "RunId | None":
        """Return the ID in `text`, or None if `text` is not a run ID."""
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
    """Return a new run ID for this process."""
    pid = os.getpid()
    return RunId.new(ProcessIdentity(_boot(), _pid_namespace(), pid, _start_ticks(pid) or 0), int(time.time()))


def owner_lives(run: RunId) -> bool | None:
    """Return whether the process of `run` lives. None if it is on another machine or in another namespace."""
    if (run.owner.boot, run.owner.pid_namespace) != (_boot(), _pid_namespace()):
        return None
    started = _start_ticks(run.owner.pid)
    if started is None and _is_hidden(run.owner.pid):
        return None
    return started == run.owner.start_ticks


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text()[:8]
    except OSError:  # not on Linux: the client of Docker Desktop
        return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _pid_namespace() -> str:
    try:
        return f"{(_PROC / 'self/ns/pid').stat().st_ino & 0xFFFFFFFF:08x}"
    except OSError:
        return "0" * 8


def _start_ticks(pid: int) -> int | None:
    """Return the start time of a process in ticks since boot. None if there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except FileNotFoundError:
        return None if _PROC.joinpath("self").exists() else _alive_without_proc(pid)
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _is_hidden(pid: int) -> bool:
    """Return whether /proc hides a process. With `hidepid`, it hides those of other users (proc(5))."""
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
