"""Whether a container is far enough from its limit for its memory maps to be read, and whether that did harm.

A reader of /proc/PID/smaps holds the process's memory (mm_users) until each read(2) ends. If the OOM killer ends that
process meanwhile, its memory stays charged: the next allocation in the full cgroup kills another process, often the
parent (seen in 5 of 10 runs on cgroup v1; mm/oom_kill.c, fs/proc/task_mmu.c). Standard library only: the probe
imports it.
"""

import contextlib
from pathlib import Path

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import NAMES, OpenFile, close_all, version_of

_SHARE = 0.25
_LEAST_BYTES = 24 << 20
"""How far below the limit usage has to be: by this share of it, and by as much. A process that takes a gigabyte a
second needs 24 ms for the latter; one read takes a millisecond or so. One mapping is walked in one read, however large
it is, but some fifty times as fast as a core can fault pages in: far less than a quarter of the limit meanwhile."""


class LimitGuard:
    """Compares a cgroup's usage with the limits on it. A file that cannot be read means: too near, or not known."""

    def __init__(self, cgroup: Path, top: Path | None = None) -> None:
        """Watch `cgroup`, and the limits of those above it up to `top`: an engine may set its limit there."""
        names = NAMES[version_of(cgroup)]
        self._usage = _opened(cgroup / names.usage)
        self._events = _opened(cgroup / names.events)
        self._limits: list[tuple[OpenFile | None, int]] = []
        """Usage files, each with the usage up to which maps are read."""
        self._first = self._least = _value(self._usage) or 0
        self._kills_before: int | None = None
        self.kills_meanwhile: bool | None = False
        """Whether the kernel killed a process while one was read. None: not known, as the cgroup was gone."""
        for folder in (cgroup, *(above for above in cgroup.parents if top is not None and above.is_relative_to(top))):
            most = _most(folder / names.limit)
            if most is not None:
                self._limits.append((_opened(folder / names.usage), most))

    def usage_bytes(self) -> int | None:
        """Usage now; None where the cgroup is gone."""
        usage = _value(self._usage)
        if usage is not None:
            self._least = min(self._least, usage)
        return usage

    @property
    def fell_bytes(self) -> int:
        """By how much usage fell since the guard was made, at most."""
        return self._first - self._least

    def is_far(self) -> bool:
        """Whether usage is far from the limit now."""
        if self.usage_bytes() is None:
            return False
        return all((usage := _value(file)) is not None and usage <= most for file, most in self._limits)

    def begin_process(self) -> None:
        """A process is read from now on."""
        self._kills_before = self._kills()

    def end_process(self) -> None:
        """Nothing of it is held any more."""
        before, after = self._kills_before, self._kills()
        if before is None or after is None:
            self.kills_meanwhile = self.kills_meanwhile or None
        elif before != after:
            self.kills_meanwhile = True

    def close(self) -> None:
        """Let go of the files."""
        close_all([self._usage, self._events, *(file for file, _ in self._limits)])
        self._usage = self._events = None
        self._limits = [(None, 0)]

    def _kills(self) -> int | None:
        if self._events is not None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                return readings.oom_kills(self._events.read())
        return None


def _most(limit: Path) -> int | None:
    """The usage up to which maps are read; None without a limit. 0 where the limit is not known."""
    try:
        text = limit.read_bytes().strip()
        return None if text == b"max" else _far_from(int(text))
    except (OSError, ValueError):
        return 0


def _far_from(limit_bytes: int) -> int:
    return limit_bytes - max(round(_SHARE * limit_bytes), _LEAST_BYTES)


def _opened(path: Path) -> OpenFile | None:
    with contextlib.suppress(OSError):
        return OpenFile(path)
    return None


def _value(file: OpenFile | None) -> int | None:
    if file is not None:
        with contextlib.suppress(OSError, ValueError):
            return int(file.read())
    return None
