"""What a trial's own cgroup says when the container is gone: counts and marks that outlive it.

Standard library only: the probe imports it.
"""

from collections.abc import Callable
from pathlib import Path

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import NAMES
from membudget.measure.probe.messages import Follow, Reading

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
        if reading.value is None and reading.reason != NEVER_SEEN:
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
