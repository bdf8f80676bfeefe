"""The files of one trial's cgroups, held open: reading one again is a single system call.

Standard library only: the probe imports it.
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from membudget.measure.probe import readings
from membudget.measure.probe.messages import Follow, Reading

_LARGEST_FILE_BYTES = 16_384


class Names(NamedTuple):
    """What a cgroup version calls its memory files."""

    usage: str
    peak: str
    events: str
    """Where OOM kills are counted."""
    limit: str


NAMES = {
    1: Names("memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control", "memory.limit_in_bytes"),
    2: Names("memory.current", "memory.peak", "memory.events", "memory.max"),
}


def version_of(folder: Path) -> int:
    """Of a cgroup, by the names of its files."""
    return 1 if (folder / NAMES[1].usage).exists() else 2


class OpenFile:
    """A cgroup file held open."""

    def __init__(self, path: Path, flags: int = os.O_RDONLY) -> None:
        self._descriptor = os.open(path, flags | os.O_CLOEXEC)

    def read(self) -> bytes:
        """The file as it is now. Raises OSError (ENODEV) when its cgroup is gone."""
        return os.pread(self._descriptor, _LARGEST_FILE_BYTES, 0)

    def write(self, data: bytes) -> None:
        """Write to it. Raises OSError where that is not allowed."""
        os.pwrite(self._descriptor, data, 0)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def close_all(files: Iterable[OpenFile | None]) -> None:
    """Close those that are open."""
    for file in files:
        if file is not None:
            file.close()


class KernelMark:
    """The kernel's high-water mark of a cgroup, of the whole trial and of the phase at hand.

    Where the kernel allows, a new phase starts it anew: on v1 any write to memory.max_usage_in_bytes does, for every
    reader; on v2, since Linux 6.12, a write to memory.peak does for the file descriptor it was written to
    (cgroup-v2.rst). A tree that is mounted read-only allows neither.
    """

    def __init__(self, path: Path, version: int) -> None:
        self._path = path
        self._version = version
        self._whole: OpenFile | None = None
        self._phase: OpenFile | None = None
        self._before = 0
        self._last: int | None = None
        """Of the phase at hand, as last read: a mark of the container's own cgroup goes away with it."""
        self.restarts = False
        """Whether the phase at hand has a mark of its own."""

    def read(self) -> int:
        """The mark of the phase at hand, or of everything so far where it could not be started anew. Raises OSError."""
        try:
            if self._whole is None:
                self._whole = OpenFile(self._path)
            self._last = int((self._phase or self._whole).read())
        except OSError:
            if self._last is None:
                raise
        return self._last

    def start_anew(self) -> None:
        """A new phase begins."""
        try:
            self._before = max(self._before, self.read())
            if self._phase is None:
                self._phase = OpenFile(self._path, os.O_RDWR)
            self._phase.write(b"0\n" if self._version == 1 else b"reset\n")
            self._last = None
            self.restarts = True
        except (OSError, ValueError):
            self.restarts = False
            close_all([self._phase])
            self._phase = None

    def whole(self) -> int:
        """The mark of the whole trial. Raises OSError, ValueError."""
        mark = max(self._before, self.read())
        with contextlib.suppress(OSError):  # v2's own, which no phase starts anew
            mark = max(mark, int(self._path.read_bytes()))
        return mark

    def close(self) -> None:
        """Let go of the files."""
        close_all([self._whole, self._phase])
        self._whole = self._phase = None


class LeafFiles:
    """The files of the container's own cgroup, which comes with the container and goes with it."""

    def __init__(self, folder: Path, version: int) -> None:
        self.folder = folder
        names = NAMES[version]
        self.usage = OpenFile(folder / names.usage)
        try:
            self.stat = OpenFile(folder / "memory.stat")
        except OSError:
            self.usage.close()
            raise
        # v2's own copies of these live as long as the trial, in the parent.
        self.events = _if_there(folder / names.events) if version == 1 else None
        self.failcnt = _if_there(folder / "memory.failcnt") if version == 1 else None
        self.swap = _if_there(folder / "memory.swap.current") if version == 2 else None
        # v2 has it in memory.stat.
        self.kernel = _if_there(folder / "memory.kmem.usage_in_bytes") if version == 1 else None

    def close(self) -> None:
        """Let go of them."""
        close_all([self.usage, self.stat, self.events, self.failcnt, self.swap, self.kernel])


def _if_there(path: Path) -> OpenFile | None:
    with contextlib.suppress(OSError):
        return OpenFile(path)
    return None


NEVER_SEEN = "the cgroup was never seen"
GONE = "the container's cgroup was gone before it could be read"
_BESIDE = "with the engine's own process beside the container"


class ParentMarks:
    """The files of the parent. v1 keeps less there: what its leaf was last seen to say stands instead."""

    def __init__(self, order: Follow) -> None:
        self._order = order
        self._parent = Path(order.parent)

    def oom_kills(self, of_leaf: Reading | None) -> Reading:
        """Processes that were killed."""
        return self._event(readings.oom_kills, of_leaf)

    def limit_hits(self, of_leaf: Reading | None) -> Reading:
        """How often usage reached the limit."""
        return self._event(readings.limit_hits, of_leaf)

    def swap_peak(self, sampled: Reading | None) -> Reading:
        """The kernel's mark, where there is one, else the largest sample."""
        if self._order.version == 2:
            mark = _file_reading(self._parent / "memory.swap.peak", int)
            if mark.value is not None:
                return mark
        if sampled is None:
            return Reading(None, "this kernel does not account swap by cgroup, or the container was gone too soon")
        if sampled.value is None:
            return Reading(None, f"this kernel does not account swap by cgroup ({sampled.reason})")
        return Reading(sampled.value, note="sampled, lower bound")

    def stalled(self) -> Reading:
        """Time in which some process waited for memory."""
        if self._order.version == 1:
            return Reading(None, "cgroup v1 has no memory.pressure")
        reading = _file_reading(self._parent / "memory.pressure", readings.stalled_us)
        if reading.value is None and self._parent.is_dir():
            return Reading(None, "this kernel keeps no pressure figures (psi=1 on its command line turns them on)")
        return reading

    def cpu_usage(self) -> Reading:
        """CPU time of all that ran there."""
        parent = Path(self._order.cpu_parent)
        if self._order.version == 2:
            reading = _file_reading(parent / "cpu.stat", readings.cpu_usage_us)
        else:
            reading = _file_reading(parent / "cpuacct.usage", lambda data: int(data) // 1000)
        if self._order.is_shared and reading.value is not None:
            return Reading(reading.value, note=_BESIDE)
        return reading

    def _event(self, parse: Callable[[bytes], int], of_leaf: Reading | None) -> Reading:
        if self._order.version == 2:
            return _file_reading(self._parent / NAMES[2].events, parse)
        return of_leaf or Reading(None, GONE)


def reading_of(read: Callable[[], int], name: str) -> Reading:
    """What `read` gives, or why it does not."""
    try:
        return Reading(read())
    except OSError as error:
        return Reading(None, f"{name} could not be read: {error.strerror}")
    except (ValueError, KeyError) as error:
        return Reading(None, f"{name} has no such value: {error}")


def keep_newest(values: dict[str, Reading], key: str, read: Callable[[], bytes], parse: Callable[[bytes], int]) -> None:
    """Put the value there; what could be read before stays when it cannot be any more."""
    reading = reading_of(lambda: parse(read()), key)
    if reading.value is not None or key not in values:
        values[key] = reading


def _file_reading(path: Path, parse: Callable[[bytes], int]) -> Reading:
    if not path.parent.is_dir():
        return Reading(None, NEVER_SEEN)
    return reading_of(lambda: parse(path.read_bytes()), path.name)
