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
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import version_of
from membudget.measure.probe.messages import Depth, FileUse, ProcessUse, Snapshot
from membudget.measure.probe.pace import Attempt, LimitGuard, SnapshotPlan, is_over
from membudget.measure.probe.proc_reader import Moment, Reader

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
