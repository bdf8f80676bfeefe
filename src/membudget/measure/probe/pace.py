"""How often the probe looks at a cgroup, when it takes snapshots of its processes, and how closely it may look.

Looks are frequent while memory moves and rare while it rests. They never take more than a fixed share of a core. Uses
the standard library only, because the probe imports this module.

A reader of /proc/PID/smaps holds the process's memory (mm_users) until each read(2) ends. If the OOM killer ends that
process meanwhile, its memory stays charged. The next allocation in the full cgroup then kills another process, often
the parent (seen in 5 of 10 runs on cgroup v1; mm/oom_kill.c, fs/proc/task_mmu.c).
"""

import contextlib
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import NAMES, OpenFile, close_all, version_of
from membudget.measure.probe.process_use import Snapshot
from membudget.measure.probe.readings import MemoryReading

FAST_FACTOR = 4
"""How much faster the probe looks while memory moves."""
FASTEST_HZ = 1000
_FAST_LOOKS = 12
"""After this many looks without movement, memory counts as resting."""
_DEEP_REST_LOOKS = 100
"""After this many looks without movement, memory counts as resting deeply."""
_DEEP_REST_FACTOR = 1.5
_TOO_MUCH_CPU, _LITTLE_CPU = 0.024, 0.016
"""Shares of one core. Above the first, the probe looks no faster than it was asked to, until it is below the second."""
WATCH_NS = 500_000_000
"""How often the probe compares its CPU time with these shares, in nanoseconds."""


class Pace:
    """Decides the time between two looks."""

    def __init__(self, rate_hz: int) -> None:
        self._rest_s = 1 / rate_hz
        self._fast_s = max(1 / FASTEST_HZ, self._rest_s / FAST_FACTOR)
        # A user who asks for the fastest rate never gets a slower one.
        self._deep_rest_s = self._rest_s * (_DEEP_REST_FACTOR if rate_hz < FASTEST_HZ else 1)
        self._still = 0
        """The number of looks since memory moved."""
        self._thrifty = False
        self._watched_from: tuple[int, int] | None = None

    @property
    def interval_s(self) -> float:
        """The time until the next look, in seconds."""
        if self._still <= _FAST_LOOKS:
            return self._rest_s if self._thrifty else self._fast_s
        return self._rest_s if self._still <= _DEEP_REST_LOOKS else self._deep_rest_s

    def looked(self, *, moved: bool) -> None:
        """Note a look, and whether memory had moved since the previous one."""
        self._still = 0 if moved else self._still + 1

    def spent(self, now_ns: int, cpu_ns: int) -> None:
        """Note that looking has taken `cpu_ns` of CPU time in total by `now_ns`."""
        if self._watched_from is not None:
            since_ns, spent_ns = now_ns - self._watched_from[0], cpu_ns - self._watched_from[1]
            self._thrifty = spent_ns > since_ns * (_LITTLE_CPU if self._thrifty else _TOO_MUCH_CPU)
        self._watched_from = now_ns, cpu_ns


class Look(Enum):
    """How to look at the processes of a cgroup."""

    BRIEF = "brief"
    """By `status` alone, which takes microseconds a process and holds up nobody."""
    WHOLE = "whole"
    """With memory maps, as far as the limit allows."""


_GROWTH, _BRIEF_GROWTH, _LEAP = 0.02, 0.05, 0.1
_SMALLEST_GROWTH_BYTES = 1 << 20
"""A new peak is worth a look if it exceeds what the last one saw by a share and by this many bytes. The first share is
for whole looks and the second one for brief looks, while looks stay below their share of the CPU. The last one applies
always.
"""
_RESTS, _SETTLED, _NEARLY_SETTLED = 0.001, 0.01, 0.03
"""Memory is calm enough when two samples differ by less than a share of it. The first one is for a brief look, which
says little while memory grows; the second one for a whole look; the last one for a brief look after a leap, because
some peaks never come to rest.
"""
_OVERDUE_NS = 250_000_000
"""RSS that never settles is read this often while it grows."""
_REST_FACTOR, _LEAP_REST_FACTOR = 20, 5
"""After a millisecond of reading maps, none are read for twenty, because its locks hold up the container's own work. At
a leap in memory they are read sooner, because it may be the last one. Brief looks rest after brief ones alone.
"""
_MOST_LATE = 3
"""After this many late snapshots in a row, only those within the CPU share are still tried. Some bursts are too short.
"""
_SNAPSHOT_SHARE, _HEAD_START_NS = 0.005, 40_000_000
"""The share of a core that snapshots may use over a trial, plus this much CPU time in advance, because short trials
have peaks too.
"""
_STILL_THERE = 0.9
"""A peak is over when less than this share of its RSS is left. An order for it is then stale, and a snapshot of it
late.
"""
_MAPS_WORTH = 1.05
"""How much more a snapshot with kinds and files is worth than one without that is slightly nearer to the peak."""


class Sample(NamedTuple):
    """A reading of the cgroup's memory, on the clock of the series."""

    time_us: int
    reading: MemoryReading


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of an order."""

    snapshot: Snapshot | None
    """None if there were no processes or the order was stale."""
    is_stale: bool
    cpu_us: int
    """The CPU time of the whole order, in microseconds."""
    reading_us: int
    """The CPU time of reading processes, in microseconds."""
    kills_meanwhile: bool | None
    """Whether the kernel killed a process while one was being read. None if unknown."""
    is_brief: bool = False
    samples: tuple[Sample, ...] = ()
    """The cgroup's memory before and after the processes were read."""


def is_over(peak_bytes: int, left_bytes: int) -> bool:
    """Return whether a peak of `peak_bytes` is over when `left_bytes` are left."""
    return left_bytes < _STILL_THERE * peak_bytes


class SnapshotPlan:
    """Decides when to take the snapshots of one trial. Times are on CLOCK_MONOTONIC."""

    def __init__(self, now_ns: int) -> None:
        self._begun_ns = self._last_ns = now_ns
        self._not_before_ns = self._leaps_from_ns = self._brief_from_ns = 0
        self._previous_bytes = 0
        self._seen_bytes = self._seen_whole_bytes = 0
        """The largest RSS that was still there when processes were looked at, and when they were looked at whole."""
        self._late_in_a_row = 0
        self.best: Snapshot | None = None
        self.taken = 0
        self.cpu_us = 0
        self.kills_meanwhile: bool | None = False
        """Whether the kernel killed a process while one was being read. None if unknown."""

    def wants(self, rss_bytes: int, now_ns: int) -> Look | None:
        """Return how to look at the processes now, at a new peak that has settled or has been growing for long.

        The first look at a peak is brief, because the peak may be over before memory maps are read.
        """
        moved = abs(rss_bytes - self._previous_bytes)
        self._previous_bytes = rss_bytes
        is_affordable = now_ns >= self._affordable_from_ns()
        is_overdue = now_ns - self._last_ns >= _OVERDUE_NS
        if self._late_in_a_row >= _MOST_LATE and not is_affordable:
            return None
        if _is_beyond(rss_bytes, self._seen_bytes, _BRIEF_GROWTH):
            is_leap = _is_beyond(rss_bytes, self._seen_bytes, _LEAP)
            is_worth_it = moved <= (_NEARLY_SETTLED if is_leap else _RESTS) * rss_bytes and (is_leap or is_affordable)
            return Look.BRIEF if (is_worth_it or is_overdue) and now_ns >= self._brief_from_ns else None
        share = _GROWTH if is_affordable and now_ns >= self._not_before_ns else _LEAP
        if now_ns < self._leaps_from_ns or not _is_beyond(rss_bytes, self._seen_whole_bytes, share):
            return None
        return Look.WHOLE if moved <= _SETTLED * rss_bytes or is_overdue else None

    def answered(self, answer: Attempt, now_ns: int) -> None:
        """Add the result of the last order. A peak that the snapshot missed is tried again when it returns."""
        self.cpu_us += answer.cpu_us
        if answer.kills_meanwhile is not False:
            self.kills_meanwhile = self.kills_meanwhile or answer.kills_meanwhile
        snapshot = answer.snapshot
        if snapshot is None:  # stale, or only the runtime's own start, which says nothing about the program
            self._late_in_a_row += answer.is_stale
            self._brief_from_ns = now_ns + _LEAP_REST_FACTOR * 1000 * answer.cpu_us
            return
        self.taken += 1
        self._last_ns = now_ns
        snapshot = replace(snapshot, is_late=is_over(snapshot.rss_bytes, snapshot.seen_bytes))
        self._late_in_a_row = self._late_in_a_row + 1 if snapshot.is_late else 0
        self._seen_bytes = max(self._seen_bytes, snapshot.seen_bytes)
        leaps_from_ns = now_ns + _LEAP_REST_FACTOR * 1000 * answer.reading_us
        if answer.is_brief:
            self._brief_from_ns = leaps_from_ns
        else:
            self._leaps_from_ns = leaps_from_ns
            self._not_before_ns = now_ns + _REST_FACTOR * 1000 * answer.reading_us
            self._seen_whole_bytes = max(self._seen_whole_bytes, snapshot.seen_bytes)
        if self.best is None or _worth(snapshot) >= _worth(self.best):
            self.best = snapshot

    def lost(self) -> None:
        """Note that the result of the last order is lost."""
        self.kills_meanwhile = self.kills_meanwhile or None

    def _affordable_from_ns(self) -> int:
        """Return the time at which the share of a core covers the CPU time spent so far."""
        spent_ns = 1000 * self.cpu_us
        return self._begun_ns + round((spent_ns - _HEAD_START_NS) / _SNAPSHOT_SHARE)


def is_worth_a_hurry(rss_bytes: int, ordered_bytes: int) -> bool:
    """Return whether a look at `ordered_bytes` of RSS should end, because RSS is so much larger by now."""
    return _is_beyond(rss_bytes, ordered_bytes, _LEAP)


def _is_beyond(rss_bytes: int, seen_bytes: int, share: float) -> bool:
    return rss_bytes - seen_bytes >= max(_SMALLEST_GROWTH_BYTES, share * seen_bytes)


def _worth(snapshot: Snapshot) -> float:
    """Return how near to the peak a snapshot is, by the memory that was still there."""
    has_maps = snapshot.summed_pss_bytes is not None
    return snapshot.seen_bytes * (_STILL_THERE if snapshot.is_late else 1) * (_MAPS_WORTH if has_maps else 1)


_GUARDED_SHARE = 0.25
_LEAST_BYTES = 24 << 20
"""How far below the limit usage has to be: this share of the limit, and at least this many bytes. A process that takes
a gigabyte a second needs 24 ms to fill those bytes, and one read takes about a millisecond. The kernel walks one
mapping in one read, however large it is. But it does so some fifty times as fast as a core can fault pages in, so usage
grows by far less than a quarter of the limit meanwhile.
"""


class LimitGuard:
    """Compares a cgroup's usage with its limits.

    If a file cannot be read, usage counts as too near to the limit or unknown.
    """

    def __init__(self, cgroup: Path, top: Path | None = None) -> None:
        """Watch `cgroup` and the limits of its ancestors up to `top`, because an engine may set its limit there."""
        names = NAMES[version_of(cgroup)]
        self._usage = _opened(cgroup / names.usage)
        self._events = _opened(cgroup / names.events)
        self._limits: list[tuple[OpenFile | None, int]] = []
        """Usage files, each with the largest usage at which memory maps are read, in bytes."""
        self._first = self._least = _value(self._usage) or 0
        self._kills_before: int | None = None
        self.kills_meanwhile: bool | None = False
        """Whether the kernel killed a process while one was being read. None if unknown, because the cgroup was gone.
        """
        for folder in (cgroup, *(above for above in cgroup.parents if top is not None and above.is_relative_to(top))):
            most = _most(folder / names.limit)
            if most is not None:
                self._limits.append((_opened(folder / names.usage), most))

    def usage_bytes(self) -> int | None:
        """Return the current usage, or None if the cgroup is gone."""
        usage = _value(self._usage)
        if usage is not None:
            self._least = min(self._least, usage)
        return usage

    @property
    def fell_bytes(self) -> int:
        """The largest drop in usage since the guard was created, in bytes."""
        return self._first - self._least

    def is_far(self) -> bool:
        """Return whether usage is currently far from every limit."""
        if self.usage_bytes() is None:
            return False
        return all((usage := _value(file)) is not None and usage <= most for file, most in self._limits)

    def begin_process(self) -> None:
        """Note that reading a process begins."""
        self._kills_before = self._kills()

    def end_process(self) -> None:
        """Note that reading a process has ended, so that nothing holds its memory any more."""
        before, after = self._kills_before, self._kills()
        if before is None or after is None:
            self.kills_meanwhile = self.kills_meanwhile or None
        elif before != after:
            self.kills_meanwhile = True

    def close(self) -> None:
        """Close the files."""
        close_all([self._usage, self._events, *(file for file, _ in self._limits)])
        self._usage = self._events = None
        self._limits = [(None, 0)]

    def _kills(self) -> int | None:
        if self._events is not None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                return readings.oom_kills(self._events.read())
        return None


def _most(limit: Path) -> int | None:
    """Return the largest usage at which memory maps are read. None without a limit, 0 if the limit is unknown."""
    try:
        text = limit.read_bytes().strip()
        return None if text == b"max" else _far_from(int(text))
    except (OSError, ValueError):
        return 0


def _far_from(limit_bytes: int) -> int:
    return limit_bytes - max(round(_GUARDED_SHARE * limit_bytes), _LEAST_BYTES)


def _opened(path: Path) -> OpenFile | None:
    with contextlib.suppress(OSError):
        return OpenFile(path)
    return None


def _value(file: OpenFile | None) -> int | None:
    if file is not None:
        with contextlib.suppress(OSError, ValueError):
            return int(file.read())
    return None
