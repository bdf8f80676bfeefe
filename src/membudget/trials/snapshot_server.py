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

from membudget.trials.limit_guard import LimitGuard
from membudget.trials.proc_snapshot import Moment, Reader
from membudget.trials.snapshot import Depth, FileUse, ProcessUse, Snapshot
from membudget.trials.snapshot_plan import Answer, is_stale

_PRIORITY = -10
"""Of the process that reads: it holds others' memory, and must not be kept waiting with it (setpriority)."""


@dataclass(frozen=True, slots=True)
class Order:
    """Look at the processes of this cgroup now."""

    cgroup: str
    top: str
    """The trial's own cgroup, above it: an engine may have set its limit on the way there."""
    depth: str
    ordered_ns: int
    """On CLOCK_MONOTONIC, which all processes share."""
    time_us: int
    rss_bytes: int
    anon_bytes: int
    usage_bytes: int

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
    """Look, unless the order is stale."""
    begun_ns = time.process_time_ns()
    guard = LimitGuard(Path(order.cgroup), Path(order.top))
    snapshot, reading_ns = None, 0
    try:
        guard.usage_bytes()
        waited_ns = time.monotonic_ns() - order.ordered_ns
        stale = is_stale(waited_ns, order.rss_bytes, guard.fell_bytes(order.usage_bytes))
        if not stale:
            moment = Moment(order.time_us, order.rss_bytes, order.anon_bytes)
            snapshot = reader.take(Path(order.cgroup), moment, guard, Depth(order.depth))
            reading_ns = reader.cpu_ns
        if snapshot is not None:
            guard.usage_bytes()
            snapshot = dataclasses.replace(snapshot, fell_bytes=guard.fell_bytes(order.usage_bytes))
    finally:
        guard.close()
    cpu_us = (time.process_time_ns() - begun_ns) // 1000
    return Answer(snapshot, stale, cpu_us, reading_ns // 1000, guard.kills_meanwhile)


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
