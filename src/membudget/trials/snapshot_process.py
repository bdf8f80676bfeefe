"""When a new peak has settled, a process of its own looks at the container's processes: sampling goes on meanwhile.

Standard library only: the probe imports it.
"""

import contextlib
import dataclasses
import json
import os
import select
import signal
import time
from pathlib import Path
from typing import NoReturn

from membudget.trials.limit_guard import LimitGuard
from membudget.trials.proc_snapshot import take
from membudget.trials.readings import MemoryReading
from membudget.trials.snapshot import FileUse, ProcessUse, Snapshot

_GROWTH, _LEAP = 0.02, 0.1
_SMALLEST_GROWTH_BYTES = 1 << 20
"""A new peak is worth a snapshot when it is larger than the last one's by this share and as many bytes: by the first
share where snapshots are below their share of the CPU, by the second in any case."""
_SETTLED = 0.01
"""RSS has settled when two samples differ by less than this share of it."""
_OVERDUE_NS = 250_000_000
"""RSS that never settles is looked at this often while it grows."""
_REST_FACTOR, _LEAP_REST_FACTOR = 20, 5
"""A snapshot that took a millisecond is followed by twenty without: its locks hold up the container's own work. A leap
of memory is looked at sooner, for this burst may be the last."""
_LATE = 0.9
"""When usage has fallen below this share of what it was at the order, the peak is over: a snapshot is late."""
_MOST_RETAKEN = 10
"""So many late snapshots of a trial are taken again: bursts that are too short for any would keep a core busy."""
_PRIORITY = -10
"""Of the process that reads: it holds locks of others' memory, and must not be kept waiting with them (setpriority)."""
_SHARE, _HEAD_START_NS = 0.005, 40_000_000
"""What they may use of a core over a trial, beside this much CPU time beforehand, for short trials have peaks too."""
_LAST_ANSWER_S = 1.0
_NO_PEAK = "RSS never settled near a peak for long enough to look at the processes"


class SnapshotProcess:
    """Takes snapshots on order, one at a time, and keeps the largest."""

    def __init__(self) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._orders)
            os.close(self._answers)
            _serve(orders, answers)
        os.close(orders)
        os.close(answers)
        self._buffer = bytearray()
        self._alive = True
        self.is_busy = False
        """A snapshot is being taken."""
        self._stale = False
        self.forget()

    def forget(self) -> None:
        """Another trial begins."""
        self._stale = self.is_busy
        """An answer that is still to come belongs to the trial before."""
        self._best: Snapshot | None = None
        self._looked_at_bytes = self._seen_bytes = 0
        """The peak that was ordered last, and the largest that was seen in time."""
        self._retaken = 0
        self._previous_bytes = 0
        self._not_before_ns = self._leaps_from_ns = 0
        self._begun_ns = self._last_ns = time.monotonic_ns()
        self.taken = 0
        self.cpu_us = 0

    @property
    def answers(self) -> tuple[int, ...]:
        """For select(2): a file descriptor that is readable when an answer has come; none when it died."""
        return (self._answers,) if self._alive else ()

    def consider(self, cgroup: Path, reading: MemoryReading, now_us: int, now_ns: int) -> None:
        """Order a snapshot when `reading` is a new peak that has settled, or that has been growing for long."""
        rss = reading.rss_bytes
        settled = abs(rss - self._previous_bytes) <= _SETTLED * rss
        self._previous_bytes = rss
        growth = rss - self._looked_at_bytes
        if self.is_busy or now_ns < self._leaps_from_ns:
            return
        is_rested = now_ns >= max(self._not_before_ns, self._affordable_from_ns())
        wanted = _GROWTH if is_rested else _LEAP
        if growth < max(_SMALLEST_GROWTH_BYTES, wanted * self._looked_at_bytes):
            return
        if not settled and now_ns - self._last_ns < _OVERDUE_NS:
            return
        order = {
            "cgroup": str(cgroup),
            "usage_bytes": reading.usage_bytes,
            "time_us": now_us,
            "rss_bytes": rss,
            "anon_bytes": reading.anon_bytes,
        }
        try:
            os.write(self._orders, json.dumps(order).encode() + b"\n")
        except BrokenPipeError:
            return  # it died: the trial goes on without
        self.is_busy = True
        self._looked_at_bytes = rss

    def receive(self) -> None:
        """Take in an answer, or a part of one."""
        received = os.read(self._answers, 1 << 16)
        if not received:
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
        self._keep(json.loads(line))

    def best(self) -> tuple[Snapshot | None, str | None]:
        """The snapshot nearest to the peak, or why there is none. Waits for one that is being taken."""
        deadline = time.monotonic() + _LAST_ANSWER_S
        while self.is_busy and (left := deadline - time.monotonic()) > 0:
            if select.select([self._answers], [], [], left)[0]:
                self.receive()
        return self._best, None if self._best is not None else _NO_PEAK

    def close(self) -> None:
        """End it."""
        os.close(self._orders)
        os.close(self._answers)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _keep(self, answer: dict[str, object]) -> None:
        cpu_us = int(str(answer["cpu_us"]))
        self.cpu_us += cpu_us
        raw = answer["snapshot"]
        if not isinstance(raw, dict):
            # The runtime's own start, which tells nothing of the program, or an order that was too old.
            self._looked_at_bytes = self._seen_bytes
            return
        self.taken += 1
        self._last_ns = time.monotonic_ns()
        snapshot = _snapshot(raw)
        self._not_before_ns = self._last_ns + _REST_FACTOR * 1000 * cpu_us
        self._leaps_from_ns = self._last_ns + _LEAP_REST_FACTOR * 1000 * cpu_us
        if not snapshot.is_late:
            self._seen_bytes = max(self._seen_bytes, snapshot.rss_bytes)
        elif self._retaken < _MOST_RETAKEN:
            self._retaken += 1
            self._looked_at_bytes = self._seen_bytes  # the same peak is looked at again when it comes back
        if self._best is None or _size(snapshot) >= _size(self._best):
            self._best = snapshot

    def _affordable_from_ns(self) -> int:
        """When the share of a core will have grown to what was spent."""
        spent_ns = 1000 * self.cpu_us
        return self._begun_ns + round((spent_ns - _HEAD_START_NS) / _SHARE)


def _size(snapshot: Snapshot) -> int:
    """What it saw: memory may have been given back while it was taken. PSS of a part of the processes is no sum."""
    whole = snapshot.summed_pss_bytes is not None and snapshot.detail is None
    return (snapshot.summed_pss_bytes or 0) if whole else snapshot.summed_rss_bytes


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


def _serve(orders: int, answers: int) -> NoReturn:
    """The child: obey orders until their pipe ends."""
    with contextlib.suppress(OSError):  # a probe in a container may not
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    with os.fdopen(orders, "rb") as lines, os.fdopen(answers, "wb") as out:
        for line in lines:
            order = json.loads(line)
            before_ns = time.process_time_ns()
            snapshot = _obey(order)
            answer = {
                "snapshot": dataclasses.asdict(snapshot) if snapshot is not None else None,
                "cpu_us": (time.process_time_ns() - before_ns) // 1000,
            }
            out.write(json.dumps(answer).encode() + b"\n")
            out.flush()
    os._exit(0)


def _obey(order: dict[str, int | str]) -> Snapshot | None:
    """The snapshot that was ordered; None when there is nobody, or the peak is over already."""
    cgroup = Path(str(order["cgroup"]))
    guard = LimitGuard(cgroup)

    def is_over() -> bool:
        usage = guard.usage_bytes()
        return usage is not None and usage < _LATE * int(order["usage_bytes"])

    try:
        if is_over():
            return None
        snapshot = take(
            cgroup,
            time_us=int(order["time_us"]),
            rss_bytes=int(order["rss_bytes"]),
            anon_bytes=int(order["anon_bytes"]),
            is_far=guard.is_far,
        )
        return dataclasses.replace(snapshot, is_late=is_over()) if snapshot is not None else None
    finally:
        guard.close()
