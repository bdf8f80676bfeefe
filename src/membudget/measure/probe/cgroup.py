"""The files of one trial's cgroups, held open so that each read is a single system call.

Uses the standard library only, because the probe imports this module.
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from membudget.measure.probe import readings
from membudget.measure.probe.messages import Follow, Reading

_LARGEST_FILE_BYTES = 16_384


class CgroupFileNames(NamedTuple):
    """The names of a cgroup version's memory files."""

    usage: str
    peak: str
    events: str
    """The file that counts OOM kills."""
    limit: str


NAMES = {
    1: CgroupFileNames(
        "memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control", "memory.limit_in_bytes"
    ),
    2: CgroupFileNames("memory.current", "memory.peak", "memory.events", "memory.max"),
}


def version_of(folder: Path) -> int:
    """Return the cgroup version, 1 or 2, by the names of the files in `folder`."""
    return 1 if (folder / NAMES[1].usage).exists() else 2


class OpenFile:
    """A cgroup file held open."""

    def __init__(self, path: Path, flags: int = os.O_RDONLY) -> None:
        self._descriptor = os.open(path, flags | os.O_CLOEXEC)

    def read(self) -> bytes:
        """Return the current content of the file. Raises OSError (ENODEV) if the cgroup is gone."""
        return os.pread(self._descriptor, _LARGEST_FILE_BYTES, 0)

    def write(self, data: bytes) -> None:
        """Write `data` to the file. Raises OSError if the kernel does not allow it."""
        os.pwrite(self._descriptor, data, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def close_all(files: Iterable[OpenFile | None]) -> None:
    """Close all files that are open and skip those that are None."""
    for file in files:
        if file is not None:
            file.close()


class CgroupMark:
    """The kernel's high-water mark of a cgroup, for the whole trial and for the current phase.

    Where the kernel allows it, a new phase resets the mark. On v1, any write to memory.max_usage_in_bytes resets it for
    every reader. On v2, since Linux 6.12, a write to memory.peak resets it for the file descriptor that was written to
    (cgroup-v2.rst). A cgroup tree that is mounted read-only allows neither.
    """

    def __init__(self, path: Path, version: int) -> None:
        self._path = path
        self._version = version
        self._whole: OpenFile | None = None
        self._phase: OpenFile | None = None
        self._before = 0
        self._last: int | None = None
        """The mark of the current phase as last read. A mark of the container's own cgroup disappears with the cgroup.
        """
        self.restarts = False
        """Whether the current phase has a mark of its own."""

    def read(self) -> int:
        """Return the mark of the current phase, in bytes. Raises OSError if the mark cannot be read and never was.

        If the mark could not be reset for this phase, it covers everything so far.
        """
        try:
            if self._whole is None:
                self._whole = OpenFile(self._path)
            self._last = int((self._phase or self._whole).read())
        except OSError:
            if self._last is None:
                raise
        return self._last

    def start_anew(self) -> None:
        """Begin a new phase, and reset the mark if the kernel allows it."""
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
        """Return the mark of the whole trial, in bytes. Raises OSError or ValueError if it cannot be read."""
        mark = max(self._before, self.read())
        with contextlib.suppress(OSError):  # on v2, the file's own mark is never reset
            mark = max(mark, int(self._path.read_bytes()))
        return mark

    def close(self) -> None:
        """Close the files."""
        close_all([self._whole, self._phase])
        self._whole = self._phase = None


class LeafFiles:
    """The files of the container's own cgroup, which exists only as long as the container."""

    def __init__(self, folder: Path, version: int) -> None:
        self.folder = folder
        names = NAMES[version]
        self.usage = OpenFile(folder / names.usage)
        try:
            self.stat = OpenFile(folder / "memory.stat")
        except OSError:
            self.usage.close()
            raise
        # On v2, the parent has these files too, and keeps them as long as the trial lasts.
        self.events = _if_there(folder / names.events) if version == 1 else None
        self.failcnt = _if_there(folder / "memory.failcnt") if version == 1 else None
        self.swap = _if_there(folder / "memory.swap.current") if version == 2 else None
        # On v2, memory.stat contains this value.
        self.kernel = _if_there(folder / "memory.kmem.usage_in_bytes") if version == 1 else None

    def close(self) -> None:
        """Close the files."""
        close_all([self.usage, self.stat, self.events, self.failcnt, self.swap, self.kernel])


def _if_there(path: Path) -> OpenFile | None:
    with contextlib.suppress(OSError):
        return OpenFile(path)
    return None


NEVER_SEEN = "the cgroup was never seen"
GONE = "the container's cgroup was gone before it could be read"
_BESIDE = "with the engine's own process beside the container"


class ParentMarks:
    """The files of the trial's cgroup, the parent of the container's.

    On v1, the last values of the leaf replace what the parent lacks.
    """

    def __init__(self, order: Follow) -> None:
        self._order = order
        self._parent = Path(order.parent)

    def oom_kills(self, of_leaf: Reading | None) -> Reading:
        """Return how many processes the kernel killed."""
        return self._event(readings.oom_kills, of_leaf)

    def limit_hits(self, of_leaf: Reading | None) -> Reading:
        """Return how often usage reached the limit."""
        return self._event(readings.limit_hits, of_leaf)

    def swap_peak(self, sampled: Reading | None) -> Reading:
        """Return the kernel's mark if there is one, otherwise the largest sample, in bytes."""
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
        """Return the time in which at least one process waited for memory, in microseconds."""
        if self._order.version == 1:
            return Reading(None, "cgroup v1 has no memory.pressure")
        reading = _file_reading(self._parent / "memory.pressure", readings.stalled_us)
        if reading.value is None and self._parent.is_dir():
            return Reading(None, "this kernel keeps no pressure figures (psi=1 on its command line turns them on)")
        return reading

    def cpu_usage(self) -> Reading:
        """Return the CPU time of all processes in the trial's cgroup, in microseconds."""
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
    """Return the value that `read` returns, or the reason why it failed."""
    try:
        return Reading(read())
    except OSError as error:
        return Reading(None, f"{name} could not be read: {error.strerror}")
    except (ValueError, KeyError) as error:
        return Reading(None, f"{name} has no such value: {error}")


def keep_newest(values: dict[str, Reading], key: str, read: Callable[[], bytes], parse: Callable[[bytes], int]) -> None:
    """Store the newest value under `key`. If it cannot be read any more, keep the last one."""
    reading = reading_of(lambda: parse(read()), key)
    if reading.value is not None or key not in values:
        values[key] = reading


def _file_reading(path: Path, parse: Callable[[bytes], int]) -> Reading:
    if not path.parent.is_dir():
        return Reading(None, NEVER_SEEN)
    return reading_of(lambda: parse(path.read_bytes()), path.name)
