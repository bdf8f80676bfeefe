"""Who owns what lies around in an engine: the run's id is on every container, cgroup, image tag and folder.

The id says which process made it and when, so that a later run can tell the leftovers of a killed one from the
belongings of one that still works, with nothing stored anywhere.
"""

import re
import secrets
from dataclasses import dataclass

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
