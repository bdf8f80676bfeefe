"""Whether a container is far enough from its limit for its processes' memory maps to be read.

A reader of /proc/PID/smaps holds the process's memory (mm_users) until each read(2) ends. If the OOM killer ends that
process meanwhile, its memory stays charged: the next allocation in the full cgroup kills another process, often the
parent (seen in 5 of 10 runs on cgroup v1; mm/oom_kill.c, fs/proc/task_mmu.c). Standard library only: the probe
imports it.
"""

import contextlib
import os
from pathlib import Path

LIMIT_NAMES = ("memory.limit_in_bytes", "memory.max")
USAGE_NAMES = ("memory.usage_in_bytes", "memory.current")
_SHARE = 0.25
_LEAST_BYTES = 24 << 20
"""How far below the limit usage has to be: by this share of it, and by as much. A process that takes a gigabyte a
second needs 24 ms for the latter; one read takes a millisecond or so."""


class LimitGuard:
    """Compares a cgroup's usage with its limit; a file that cannot be read means: too near."""

    def __init__(self, cgroup: Path) -> None:
        self._usage: int | None = None
        with contextlib.suppress(OSError):
            self._usage = os.open(_existing(cgroup, USAGE_NAMES), os.O_RDONLY | os.O_CLOEXEC)
        self._most = _most(cgroup)

    def usage_bytes(self) -> int | None:
        """Usage now; None where the cgroup is gone."""
        if self._usage is None:
            return None
        try:
            return int(os.pread(self._usage, 64, 0))
        except (OSError, ValueError):
            return None

    def is_far(self) -> bool:
        """Whether usage is far from the limit now."""
        if self._most is None:
            return True
        usage = self.usage_bytes()
        return usage is not None and usage <= self._most

    def close(self) -> None:
        """Let go of the file."""
        if self._usage is not None:
            os.close(self._usage)
            self._usage = None


def _most(cgroup: Path) -> int | None:
    """The usage up to which maps are read; None without a limit. 0 where the limit is not known."""
    try:
        text = _existing(cgroup, LIMIT_NAMES).read_bytes().strip()
        return None if text == b"max" else _far_from(int(text))
    except (OSError, ValueError):
        return 0


def _far_from(limit_bytes: int) -> int:
    return limit_bytes - max(round(_SHARE * limit_bytes), _LEAST_BYTES)


def _existing(cgroup: Path, names: tuple[str, str]) -> Path:
    """The file of cgroup v1, or else v2's."""
    v1, v2 = (cgroup / name for name in names)
    return v1 if v1.exists() else v2
