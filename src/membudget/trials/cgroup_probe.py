"""The sampling process: follows one cgroup after another, on orders from standard input.

Runs as `python -m membudget.trials.cgroup_probe`, on the host or in a probe container, never in the measured
cgroup. It keeps its samples until asked, so that nobody who reads slowly makes it sample late. Standard library
only: it starts in a few hundredths of a second and stays small.
"""

import dataclasses
import json
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from membudget.trials.probe_messages import Follow, ProbeReport, Series
from membudget.trials.readings import MemoryReading, oom_kills, reading_v1, reading_v2

_APPEARANCE_POLL_S = 0.001
_LARGEST_FILE_BYTES = 16_384


class _Names(NamedTuple):
    usage: str
    peak: str
    events: str


_V1 = _Names("memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control")
_V2 = _Names("memory.current", "memory.peak", "memory.events")


class _OpenFile:
    """A cgroup file held open: reading it again is one system call."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        return os.pread(self._descriptor, _LARGEST_FILE_BYTES, 0)

    def close(self) -> None:
        os.close(self._descriptor)


class _Follower:
    """Samples one cgroup. Files that are not there yet, or not any more, cost a sample and nothing else."""

    def __init__(self, order: Follow) -> None:
        self._order = order
        self._names = _V2 if order.version == 2 else _V1
        self._parse = reading_v2 if order.version == 2 else reading_v1
        self._parent = Path(order.parent)
        self._leaf = Path(order.leaf)
        self._stat: _OpenFile | None = None
        self._usage: _OpenFile | None = None
        self._leaf_events: _OpenFile | None = None
        self._leaf_oom_kills: int | None = None
        self._series = Series()
        self._origin_ns = time.monotonic_ns()
        self._cpu_origin_ns = time.process_time_ns()

    @property
    def interval_s(self) -> float:
        """How long to wait until the next look: short until the cgroup is there."""
        return self._order.interval_us / 1e6 if self._stat is not None else _APPEARANCE_POLL_S

    def sample(self) -> None:
        """Take one sample, if the cgroup is there."""
        try:
            reading = self._read()
        except (OSError, ValueError, KeyError):
            return
        if reading is None:
            return
        series = self._series
        series.time_us.append((time.monotonic_ns() - self._origin_ns) // 1000)
        series.anon_bytes.append(reading.anon_bytes)
        series.rss_bytes.append(reading.rss_bytes)
        series.working_set_bytes.append(reading.working_set_bytes)
        series.usage_bytes.append(reading.usage_bytes)
        if self._order.version == 1:
            self._count_oom_kills()

    def report(self) -> ProbeReport:
        """Read the kernel's marks, which outlive the container, and hand everything over."""
        peak, peak_reason = self._mark(self._names.peak, int)
        kills, kills_reason = self._oom_kills()
        times = self._series.time_us
        report = ProbeReport(
            series=self._series,
            kernel_peak_bytes=peak,
            kernel_peak_reason=peak_reason,
            oom_kills=kills,
            oom_kills_reason=kills_reason,
            cpu_us=(time.process_time_ns() - self._cpu_origin_ns) // 1000,
            wall_us=times[-1] - times[0] if times else 0,
        )
        self.close()
        return report

    def close(self) -> None:
        for held in (self._stat, self._usage, self._leaf_events):
            if held is not None:
                held.close()
        self._stat = self._usage = self._leaf_events = None

    def _read(self) -> MemoryReading | None:
        """One reading of the container's own cgroup, None before it is there.

        Not of the parent's, which would do for the rest: while somebody reads it often, a parent's memory.stat can
        lag behind its children by up to two seconds (docs/adr/0003-own-cgroup-parent.md).
        """
        if self._stat is None or self._usage is None:
            if not self._leaf.is_dir():
                return None
            self._usage = _OpenFile(self._leaf / self._names.usage)
            self._stat = _OpenFile(self._leaf / "memory.stat")
        return self._parse(self._stat.read(), self._usage.read())

    def _count_oom_kills(self) -> None:
        """v1 counts OOM kills in the killed process's own cgroup only, which goes away with the container."""
        try:
            if self._leaf_events is None:
                self._leaf_events = _OpenFile(self._leaf / self._names.events)
            self._leaf_oom_kills = oom_kills(self._leaf_events.read())
        except (OSError, ValueError, KeyError):
            return

    def _oom_kills(self) -> tuple[int | None, str | None]:
        if self._order.version == 2:
            return self._mark(self._names.events, oom_kills)
        if self._leaf_oom_kills is None:
            return None, "the container's cgroup was gone before it could be read"
        return self._leaf_oom_kills, None

    def _mark(self, name: str, parse: Callable[[bytes], int]) -> tuple[int | None, str | None]:
        path = self._parent / name
        try:
            return parse(path.read_bytes()), None
        except FileNotFoundError:
            if self._parent.is_dir():
                return None, f"this kernel has no {name} (memory.peak came with Linux 5.19)"
            return None, "the cgroup was never seen"
        except (OSError, ValueError, KeyError) as error:
            return None, f"{name} could not be read: {error}"


def main() -> None:
    """Follow on order, report on order, until standard input ends."""
    follower: _Follower | None = None
    orders = sys.stdin.buffer
    next_look = time.monotonic()
    while True:
        if follower is not None:
            next_look = max(next_look + follower.interval_s, time.monotonic())
        timeout = max(0.0, next_look - time.monotonic()) if follower is not None else None
        readable, _, _ = select.select([orders], [], [], timeout)
        if not readable:
            if follower is not None:
                follower.sample()
            continue
        line = orders.readline()
        if not line:
            return
        order = json.loads(line)
        if order["order"] == "follow":
            if follower is not None:
                follower.close()
            del order["order"]
            follower = _Follower(Follow(**order))
            next_look = time.monotonic()
            answer: dict[str, object] = {"following": follower.__class__.__name__}
        elif follower is not None:
            answer = dataclasses.asdict(follower.report())
            follower = None
        else:
            answer = {"error": "nothing is followed"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
