"""Snapshots of the container's processes at new peaks, taken by a process of its own so that sampling continues.

Uses the standard library only, because the probe imports this module.
"""

import contextlib
import dataclasses
import json
import os
import select
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import version_of
from membudget.measure.probe.messages import Depth, FileUse, ProcessUse, Snapshot
from membudget.measure.probe.pace import LimitGuard
from membudget.measure.probe.proc_reader import Moment, Reader

_GROWTH, _LEAP = 0.02, 0.1
_SMALLEST_GROWTH_BYTES = 1 << 20
"""A new peak is worth a snapshot if it exceeds the last snapshot's by this share and this many bytes. The first share
applies while snapshots stay below their share of the CPU, the second applies always.
"""
_SETTLED = 0.01
"""RSS has settled when two samples differ by less than this share of it."""
_OVERDUE_NS = 250_000_000
"""RSS that never settles is read this often while it grows."""
_REST_FACTOR, _LEAP_REST_FACTOR = 20, 5
"""After a millisecond of reading, the process rests for twenty, because its locks hold up the container's own work. A
leap in memory is read sooner, because it may be the last one.
"""
_MOST_LATE = 3
"""After this many late snapshots in a row, only those within the CPU share are still tried. Some bursts are too short.
"""
_SHARE, _HEAD_START_NS = 0.005, 40_000_000
"""The share of a core that snapshots may use over a trial, plus this much CPU time in advance, because short trials
have peaks too.
"""
_STILL_THERE = 0.9
"""A peak is over when less than this share of its RSS is left. An order for it is then stale, and a snapshot of it
late.
"""
_MAPS_WORTH = 1.05
"""How much more a snapshot with kinds and files is worth than one without that is slightly nearer to the peak."""


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


def is_over(peak_bytes: int, left_bytes: int) -> bool:
    """Return whether a peak of `peak_bytes` is over when `left_bytes` are left."""
    return left_bytes < _STILL_THERE * peak_bytes


class SnapshotPlan:
    """Decides when to take the snapshots of one trial. Times are on CLOCK_MONOTONIC."""

    def __init__(self, now_ns: int) -> None:
        self._begun_ns = self._last_ns = now_ns
        self._not_before_ns = self._leaps_from_ns = 0
        self._previous_bytes = 0
        self._seen_bytes = 0
        """The largest RSS that was still there when a snapshot was taken."""
        self._late_in_a_row = 0
        self.best: Snapshot | None = None
        self.taken = 0
        self.cpu_us = 0
        self.kills_meanwhile: bool | None = False
        """Whether the kernel killed a process while one was being read. None if unknown."""

    def wants(self, rss_bytes: int, now_ns: int) -> bool:
        """Return whether to take a snapshot now: at a new peak that has settled, or that has been growing for long."""
        settled = abs(rss_bytes - self._previous_bytes) <= _SETTLED * rss_bytes
        self._previous_bytes = rss_bytes
        if now_ns < self._leaps_from_ns:
            return False
        is_affordable = now_ns >= self._affordable_from_ns()
        if self._late_in_a_row >= _MOST_LATE and not is_affordable:
            return False
        wanted = _GROWTH if is_affordable and now_ns >= self._not_before_ns else _LEAP
        if rss_bytes - self._seen_bytes < max(_SMALLEST_GROWTH_BYTES, wanted * self._seen_bytes):
            return False
        return settled or now_ns - self._last_ns >= _OVERDUE_NS

    def answered(self, answer: Attempt, now_ns: int) -> None:
        """Add the result of the last order. A peak that the snapshot missed is tried again when it returns."""
        self.cpu_us += answer.cpu_us
        if answer.kills_meanwhile is not False:
            self.kills_meanwhile = self.kills_meanwhile or answer.kills_meanwhile
        snapshot = answer.snapshot
        if snapshot is None:  # stale, or only the runtime's own start, which says nothing about the program
            self._late_in_a_row += answer.is_stale
            return
        self.taken += 1
        self._last_ns = now_ns
        snapshot = replace(snapshot, is_late=is_over(snapshot.rss_bytes, snapshot.seen_bytes))
        self._late_in_a_row = self._late_in_a_row + 1 if snapshot.is_late else 0
        self._not_before_ns = now_ns + _REST_FACTOR * 1000 * answer.reading_us
        self._leaps_from_ns = now_ns + _LEAP_REST_FACTOR * 1000 * answer.reading_us
        self._seen_bytes = max(self._seen_bytes, snapshot.seen_bytes)
        if self.best is None or _worth(snapshot) >= _worth(self.best):
            self.best = snapshot

    def lost(self) -> None:
        """Note that the result of the last order is lost."""
        self.kills_meanwhile = self.kills_meanwhile or None

    def _affordable_from_ns(self) -> int:
        """Return the time at which the share of a core covers the CPU time spent so far."""
        spent_ns = 1000 * self.cpu_us
        return self._begun_ns + round((spent_ns - _HEAD_START_NS) / _SHARE)


def _worth(snapshot: Snapshot) -> float:
    """Return how near to the peak a snapshot is, by the memory that was still there."""
    has_maps = snapshot.summed_pss_bytes is not None
    return snapshot.seen_bytes * (_STILL_THERE if snapshot.is_late else 1) * (_MAPS_WORTH if has_maps else 1)


_PRIORITY = -10
"""The priority of the process that reads (setpriority). It holds other processes' memory and must not be kept waiting.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """An order to read the processes of a cgroup now."""

    cgroup: str
    top: str
    """The trial's own cgroup, an ancestor. An engine may have set its limit on a cgroup in between."""
    depth: str
    origin_ns: int
    """The start of the trial's series on CLOCK_MONOTONIC, which all processes share."""
    rss_bytes: int
    """RSS as sampled when the order was given."""

    def line(self) -> bytes:
        """Return the order as a line for the pipe."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"


def serve(orders: int, answers: int) -> NoReturn:
    """Obey orders until their pipe ends, then exit."""
    with contextlib.suppress(OSError):  # a probe in a container may lack the permission
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    reader, last = Reader(), ""
    with os.fdopen(orders, "rb") as lines, os.fdopen(answers, "wb") as out:
        for line in lines:
            order = Order(**json.loads(line))
            if order.cgroup != last:
                reader.forget()
                last = order.cgroup
            out.write(json.dumps(dataclasses.asdict(obey(order, reader))).encode() + b"\n")
            out.flush()
    os._exit(0)


def obey(order: Order, reader: Reader) -> Attempt:
    """Take a snapshot, unless the order is stale. On a busy machine, RSS may have changed since the order was given."""
    begun_ns = time.process_time_ns()
    cgroup = Path(order.cgroup)
    guard = LimitGuard(cgroup, Path(order.top))
    snapshot, reading_ns = None, 0
    try:
        moment = _now(cgroup, order.origin_ns)
        stale = moment is None or is_over(order.rss_bytes, moment.rss_bytes)
        if moment is not None and not stale:
            snapshot = reader.take(cgroup, moment, guard, Depth(order.depth))
            reading_ns = reader.cpu_ns
        if snapshot is not None:
            guard.usage_bytes()
            snapshot = of_the_later(snapshot, _now(cgroup, order.origin_ns))
            snapshot = dataclasses.replace(snapshot, fell_bytes=guard.fell_bytes)
    finally:
        guard.close()
    cpu_us = (time.process_time_ns() - begun_ns) // 1000
    return Attempt(snapshot, stale, cpu_us, reading_ns // 1000, guard.kills_meanwhile)


def of_the_later(snapshot: Snapshot, after: Moment | None) -> Snapshot:
    """Return the snapshot with the later time and memory if memory grew while the processes were read."""
    if after is None or after.rss_bytes <= snapshot.rss_bytes:
        return snapshot
    return dataclasses.replace(snapshot, time_us=after.time_us, rss_bytes=after.rss_bytes, anon_bytes=after.anon_bytes)


def _now(cgroup: Path, origin_ns: int) -> Moment | None:
    """Return the cgroup's current memory, or None if the cgroup is gone."""
    parse = readings.reading_v1 if version_of(cgroup) == 1 else readings.reading_v2
    try:
        reading = parse((cgroup / "memory.stat").read_bytes(), 0)
    except (OSError, ValueError, KeyError):
        return None
    return Moment((time.monotonic_ns() - origin_ns) // 1000, reading.rss_bytes, reading.anon_bytes)


def answer_of(line: bytes) -> Attempt:
    """Parse an answer from the pipe."""
    raw = json.loads(line)
    return Attempt(**{**raw, "snapshot": _snapshot(raw["snapshot"]) if raw["snapshot"] is not None else None})


def _snapshot(raw: dict[str, object]) -> Snapshot:
    processes = raw.pop("processes")
    files = raw.pop("files")
    assert isinstance(processes, list)  # noqa: S101 - our own child wrote it
    assert isinstance(files, list)  # noqa: S101
    return Snapshot(
        **raw,  # type: ignore[arg-type]
        processes=tuple(ProcessUse(**{**one, "arguments": tuple(one["arguments"])}) for one in processes),
        files=tuple(FileUse(**one) for one in files),
    )


_LAST_ANSWER_S = 1.0
_NO_PEAK = "RSS never settled near a peak for long enough to look at the processes"
_NOT_ALLOWED = "the processes were not looked at: looking may have caused OOM kills in an earlier trial"


class SnapshotProcess:
    """Orders snapshots from a child process, one at a time, and keeps the best."""

    def __init__(self) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._orders)
            os.close(self._answers)
            serve(orders, answers)
        os.close(orders)
        os.close(answers)
        self._buffer = bytearray()
        self._alive = True
        self.is_busy = False
        """Whether a snapshot is being taken."""
        self._stale = False
        self.begin(Path("/"), Depth.NONE, 0)

    def begin(self, top: Path, depth: Depth, origin_ns: int) -> None:
        """Begin another trial, whose own cgroup is `top` and whose series begins at `origin_ns`."""
        self._stale = self.is_busy
        """Whether the answer that is still to come belongs to the previous trial."""
        self._top, self._depth, self._origin_ns = top, depth, origin_ns
        self._plan = SnapshotPlan(time.monotonic_ns())

    @property
    def answers(self) -> tuple[int, ...]:
        """The file descriptors to wait for with select(2).

        Readable when an answer has come; empty if the process died.
        """
        return (self._answers,) if self._alive else ()

    @property
    def taken(self) -> int:
        """The number of snapshots in this trial."""
        return self._plan.taken

    @property
    def cpu_us(self) -> int:
        """The CPU time of the snapshots in this trial, in microseconds."""
        return self._plan.cpu_us

    @property
    def kills_meanwhile(self) -> bool | None:
        """Whether the kernel killed a process while one was being read. None if unknown."""
        is_open = self.is_busy and not self._stale
        return self._plan.kills_meanwhile or (None if is_open else self._plan.kills_meanwhile)

    def consider(self, cgroup: Path, rss_bytes: int, now_ns: int) -> None:
        """Order a snapshot if the current RSS is worth one."""
        wanted = self._plan.wants(rss_bytes, now_ns)
        if not wanted or self.is_busy or self._depth is Depth.NONE:
            return
        order = Order(
            cgroup=str(cgroup),
            top=str(self._top),
            depth=self._depth,
            origin_ns=self._origin_ns,
            rss_bytes=rss_bytes,
        )
        try:
            os.write(self._orders, order.line())
        except BrokenPipeError:
            return  # the process died: the trial continues without snapshots
        self.is_busy = True

    def receive(self) -> None:
        """Read an answer, or a part of one."""
        received = os.read(self._answers, 1 << 16)
        if not received:
            if self.is_busy and not self._stale:
                self._plan.lost()
            self._alive = self.is_busy = False
            return
        self._buffer += received
        line, newline, rest = bytes(self._buffer).partition(b"\n")
        if not newline:
            return
        self._buffer = bytearray(rest)
        self.is_busy = False
        if self._stale:
            self._stale = False
            return
        self._plan.answered(answer_of(line), time.monotonic_ns())

    def best(self) -> tuple[Snapshot | None, str | None]:
        """Return the snapshot nearest to the peak, or the reason why there is none.

        Waits for one that is being taken.
        """
        deadline = time.monotonic() + _LAST_ANSWER_S
        while self.is_busy and (left := deadline - time.monotonic()) > 0:
            if select.select([self._answers], [], [], left)[0]:
                self.receive()
        if self._plan.best is not None:
            return self._plan.best, None
        return None, _NOT_ALLOWED if self._depth is Depth.NONE else _NO_PEAK

    def close(self) -> None:
        """Kill the process and wait for its end."""
        os.close(self._orders)
        os.close(self._answers)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
