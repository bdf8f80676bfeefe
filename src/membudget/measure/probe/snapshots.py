"""Snapshots of the container's processes at new peaks, taken by a process of its own so that sampling continues.

Uses the standard library only, because the probe imports this module.
"""

import dataclasses
import json
import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import version_of
from membudget.measure.probe.messages import Depth
from membudget.measure.probe.pace import Attempt, LimitGuard, Look, Sample, SnapshotPlan, is_over, is_worth_a_hurry
from membudget.measure.probe.proc_reader import Reader, SnapshotStart
from membudget.measure.probe.process_use import Area, Clues, FileUse, MapClues, ProcessUse, Snapshot


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
    is_brief: bool = False
    """Whether to read `status` alone because the peak may soon be over."""

    def line(self) -> bytes:
        """Return the order as a line for the pipe."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"


class Orders:
    """Reads orders from a pipe, and knows whether another one waits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()

    def next(self) -> Order | None:
        """Wait for an order, and return it. None if the pipe has ended."""
        while b"\n" not in self._buffer:
            received = os.read(self._descriptor, 1 << 16)
            if not received:
                return None
            self._buffer += received
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        return Order(**json.loads(line))

    def is_waiting(self) -> bool:
        """Return whether another order has come."""
        return bool(self._buffer) or bool(select.select([self._descriptor], [], [], 0)[0])


def serve(orders: int, answers: int) -> NoReturn:
    """Obey orders until their pipe ends, then exit."""
    waiting = Orders(orders)
    reader, last = Reader(is_hurried=waiting.is_waiting), ""
    with os.fdopen(answers, "wb") as out:
        while (order := waiting.next()) is not None:
            if order.cgroup != last:
                reader.forget()
                last = order.cgroup
            out.write(json.dumps(obey(order, reader), default=_fields).encode() + b"\n")
            out.flush()
    os._exit(0)


def _fields(part: Attempt | Snapshot | ProcessUse | Clues | MapClues | Area | FileUse) -> dict[str, object]:
    """Return a dataclass's fields. `dataclasses.asdict` copies them deeply, which is a third of the time of a look."""
    return {name: getattr(part, name) for name in part.__dataclass_fields__}


def obey(order: Order, reader: Reader) -> Attempt:
    """Take a snapshot, unless the order is stale. On a busy machine, RSS may have changed since the order was given."""
    begun_ns = time.process_time_ns()
    cgroup = Path(order.cgroup)
    guard = LimitGuard(cgroup, Path(order.top))
    snapshot, reading_ns = None, 0
    try:
        before, after = _now(cgroup, guard, order.origin_ns), None
        stale = before is None or is_over(order.rss_bytes, before.reading.rss_bytes)
        if before is not None and not stale:
            moment = SnapshotStart(before.time_us, before.reading.rss_bytes, before.reading.anon_bytes)
            snapshot = reader.take(cgroup, moment, guard, Depth(order.depth), is_brief=order.is_brief)
            reading_ns = reader.cpu_ns
        if snapshot is not None:
            after = _now(cgroup, guard, order.origin_ns)
            snapshot = with_the_end(snapshot, after, guard.fell_bytes)
    finally:
        guard.close()
    cpu_us = (time.process_time_ns() - begun_ns) // 1000
    samples = tuple(sample for sample in (before, after) if sample is not None)
    return Attempt(snapshot, stale, cpu_us, reading_ns // 1000, guard.kills_meanwhile, order.is_brief, samples)


def with_the_end(snapshot: Snapshot, after: Sample | None, usage_fell_bytes: int) -> Snapshot:
    """Return the snapshot with the memory that its processes show, of what there was while they were read.

    Memory may have grown or fallen meanwhile. The processes' anonymous memory tells which they show. Where it counts
    pages more than once, the smaller counts. Usage alone may also fall because the kernel takes page cache back.
    """
    before_bytes, dip_bytes = snapshot.anon_bytes, max(0, snapshot.anon_bytes - usage_fell_bytes)
    after_bytes = after.reading.anon_bytes if after is not None else dip_bytes
    candidates = (before_bytes, after_bytes, dip_bytes)
    shown_bytes = min(candidates, key=lambda anon: abs(anon - snapshot.anonymous_bytes))
    if not snapshot.counts_pages_once:
        shown_bytes = min(before_bytes, after_bytes)
    if after is not None and shown_bytes == after_bytes > before_bytes:
        time_us, reading = after
        return dataclasses.replace(
            snapshot, time_us=time_us, rss_bytes=reading.rss_bytes, anon_bytes=reading.anon_bytes
        )
    return dataclasses.replace(snapshot, fell_bytes=max(0, before_bytes - shown_bytes))


def _now(cgroup: Path, guard: LimitGuard, origin_ns: int) -> Sample | None:
    """Return the cgroup's current memory, or None if the cgroup is gone."""
    parse = readings.reading_v1 if version_of(cgroup) == 1 else readings.reading_v2
    usage = guard.usage_bytes()
    if usage is None:
        return None
    try:
        reading = parse((cgroup / "memory.stat").read_bytes(), usage)
    except (OSError, ValueError, KeyError):
        return None
    return Sample((time.monotonic_ns() - origin_ns) // 1000, reading)


def answer_of(line: bytes) -> Attempt:
    """Parse an answer from the pipe."""
    raw = json.loads(line)
    samples = tuple(Sample(time_us, readings.MemoryReading(*reading)) for time_us, reading in raw["samples"])
    snapshot = _snapshot(raw["snapshot"]) if raw["snapshot"] is not None else None
    return Attempt(**{**raw, "snapshot": snapshot, "samples": samples})


def _snapshot(raw: dict[str, object]) -> Snapshot:
    processes = raw.pop("processes")
    files = raw.pop("files")
    assert isinstance(processes, list)  # noqa: S101 - our own child wrote it
    assert isinstance(files, list)  # noqa: S101
    return Snapshot(
        **raw,  # type: ignore[arg-type]
        processes=tuple(
            ProcessUse(**{**one, "arguments": tuple(one["arguments"]), "clues": _clues(one["clues"])})
            for one in processes
        ),
        files=tuple(FileUse(**one) for one in files),
    )


def _clues(raw: dict[str, Any] | None) -> Clues | None:
    if raw is None:
        return None
    found = raw["map"]
    known = None
    if found is not None:
        areas = tuple(Area(**one) for one in found["areas"])
        known = MapClues(**{**found, "libraries": tuple(found["libraries"]), "areas": areas})
    return Clues(**{**raw, "settings": tuple(raw["settings"]), "map": known})


_LAST_ANSWER_S = 1.0
_NO_PEAK = "RSS never settled near a peak for long enough to look at the processes"
_NOT_ALLOWED = "the processes were not looked at: looking may have caused OOM kills in an earlier trial"


class SnapshotProcess:
    """Orders snapshots from a child process, and keeps the best.

    There is one order at a time, and a second one if RSS leaps meanwhile. It makes the child hurry.
    """

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
        self._under_way: list[int] = []
        """RSS of the orders that are not answered."""
        self._stale = 0
        self.begin(Path("/"), Depth.NONE, 0)

    def begin(self, top: Path, depth: Depth, origin_ns: int) -> None:
        """Begin another trial, whose own cgroup is `top` and whose series begins at `origin_ns`."""
        self._stale = len(self._under_way)
        """How many of the answers that are still to come belong to earlier trials."""
        self._top, self._depth, self._origin_ns = top, depth, origin_ns
        self._plan = SnapshotPlan(time.monotonic_ns())
        self._samples: list[Sample] = []

    @property
    def answers(self) -> tuple[int, ...]:
        """The file descriptors to wait for with select(2).

        Readable when an answer has come; empty if the process died.
        """
        return (self._answers,) if self._alive else ()

    @property
    def is_busy(self) -> bool:
        """Whether a snapshot is being taken."""
        return bool(self._under_way)

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
        is_open = len(self._under_way) > self._stale
        return self._plan.kills_meanwhile or (None if is_open else self._plan.kills_meanwhile)

    def consider(self, cgroup: Path, rss_bytes: int, now_ns: int) -> None:
        """Order a snapshot if the current RSS is worth one."""
        look = self._plan.wants(rss_bytes, now_ns)
        if look is None or self._depth is Depth.NONE:
            return
        if self._under_way and (len(self._under_way) > 1 or not is_worth_a_hurry(rss_bytes, self._under_way[0])):
            return
        order = Order(
            cgroup=str(cgroup),
            top=str(self._top),
            depth=self._depth,
            origin_ns=self._origin_ns,
            rss_bytes=rss_bytes,
            is_brief=look is Look.BRIEF,
        )
        try:
            os.write(self._orders, order.line())
        except BrokenPipeError:
            return  # the process died: the trial continues without snapshots
        self._under_way.append(rss_bytes)

    def receive(self) -> None:
        """Read answers, or a part of one."""
        received = os.read(self._answers, 1 << 16)
        if not received:
            if len(self._under_way) > self._stale:
                self._plan.lost()
            self._alive = False
            self._under_way.clear()
            return
        self._buffer += received
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            del self._under_way[0]
            if self._stale:
                self._stale -= 1
            else:
                answer = answer_of(line)
                self._plan.answered(answer, time.monotonic_ns())
                self._samples += answer.samples

    def samples(self) -> list[Sample]:
        """Return the samples that looks took since the last call."""
        found, self._samples = self._samples, []
        return found

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
