"""The process that looks at a container's processes: obeys orders from a pipe until that ends.

Standard library only: the probe imports it.
"""

import contextlib
import dataclasses
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import version_of
from membudget.measure.probe.limit_guard import LimitGuard
from membudget.measure.probe.messages import Depth, FileUse, ProcessUse, Snapshot
from membudget.measure.probe.proc_reader import Moment, Reader
from membudget.measure.probe.snapshot_plan import Answer, is_over

_PRIORITY = -10
"""Of the process that reads: it holds others' memory, and must not be kept waiting with it (setpriority)."""


@dataclass(frozen=True, slots=True)
class Order:
    """Look at the processes of this cgroup now."""

    cgroup: str
    top: str
    """The trial's own cgroup, above it: an engine may have set its limit on the way there."""
    depth: str
    origin_ns: int
    """When the trial's series begins, on CLOCK_MONOTONIC, which all processes share."""
    rss_bytes: int
    """As sampled when it was ordered."""

    def line(self) -> bytes:
        """For the pipe."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"


def serve(orders: int, answers: int) -> NoReturn:
    """Obey orders until their pipe ends, and end."""
    with contextlib.suppress(OSError):  # a probe in a container may not
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


def obey(order: Order, reader: Reader) -> Answer:
    """Look, unless the order is stale. On a busy machine RSS may be another one by now than when it was ordered."""
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
    return Answer(snapshot, stale, cpu_us, reading_ns // 1000, guard.kills_meanwhile)


def of_the_later(snapshot: Snapshot, after: Moment | None) -> Snapshot:
    """Of memory that grew while processes were read, they show what there was at the end."""
    if after is None or after.rss_bytes <= snapshot.rss_bytes:
        return snapshot
    return dataclasses.replace(snapshot, time_us=after.time_us, rss_bytes=after.rss_bytes, anon_bytes=after.anon_bytes)


def _now(cgroup: Path, origin_ns: int) -> Moment | None:
    """What the cgroup holds now; None where it is gone."""
    parse = readings.reading_v1 if version_of(cgroup) == 1 else readings.reading_v2
    try:
        reading = parse((cgroup / "memory.stat").read_bytes(), 0)
    except (OSError, ValueError, KeyError):
        return None
    return Moment((time.monotonic_ns() - origin_ns) // 1000, reading.rss_bytes, reading.anon_bytes)


def answer_of(line: bytes) -> Answer:
    """An answer as it came through the pipe."""
    raw = json.loads(line)
    return Answer(**{**raw, "snapshot": _snapshot(raw["snapshot"]) if raw["snapshot"] is not None else None})


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
