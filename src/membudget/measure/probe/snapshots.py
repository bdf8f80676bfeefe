"""When a new peak has settled, a process of its own looks at the container's processes: sampling goes on meanwhile.

Standard library only: the probe imports it.
"""

import os
import select
import signal
import time
from pathlib import Path

from membudget.measure.probe.messages import Depth, Snapshot
from membudget.measure.probe.snapshot_plan import SnapshotPlan
from membudget.measure.probe.snapshot_server import Order, answer_of, serve

_LAST_ANSWER_S = 1.0
_NO_PEAK = "RSS never settled near a peak for long enough to look at the processes"
_NOT_ALLOWED = "the processes were not looked at: looking may have caused OOM kills in an earlier trial"


class SnapshotProcess:
    """Has snapshots taken, one at a time, and keeps the best."""

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
        """A snapshot is being taken."""
        self._stale = False
        self.begin(Path("/"), Depth.NONE, 0)

    def begin(self, top: Path, depth: Depth, origin_ns: int) -> None:
        """Another trial begins, whose series begins at `origin_ns`. Its own cgroup is `top`."""
        self._stale = self.is_busy
        """An answer that is still to come belongs to the trial before."""
        self._top, self._depth, self._origin_ns = top, depth, origin_ns
        self._plan = SnapshotPlan(time.monotonic_ns())

    @property
    def answers(self) -> tuple[int, ...]:
        """For select(2): a file descriptor that is readable when an answer has come; none when it died."""
        return (self._answers,) if self._alive else ()

    @property
    def taken(self) -> int:
        """How many there were in this trial."""
        return self._plan.taken

    @property
    def cpu_us(self) -> int:
        """CPU time of them."""
        return self._plan.cpu_us

    @property
    def kills_meanwhile(self) -> bool | None:
        """Whether the kernel killed a process while one was read; None: not known."""
        is_open = self.is_busy and not self._stale
        return self._plan.kills_meanwhile or (None if is_open else self._plan.kills_meanwhile)

    def consider(self, cgroup: Path, rss_bytes: int, now_ns: int) -> None:
        """Order a snapshot when RSS of `rss_bytes` is worth one."""
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
            return  # it died: the trial goes on without
        self.is_busy = True

    def receive(self) -> None:
        """Take in an answer, or a part of one."""
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
        """The snapshot nearest to the peak, or why there is none. Waits for one that is being taken."""
        deadline = time.monotonic() + _LAST_ANSWER_S
        while self.is_busy and (left := deadline - time.monotonic()) > 0:
            if select.select([self._answers], [], [], left)[0]:
                self.receive()
        if self._plan.best is not None:
            return self._plan.best, None
        return None, _NOT_ALLOWED if self._depth is Depth.NONE else _NO_PEAK

    def close(self) -> None:
        """End it."""
        os.close(self._orders)
        os.close(self._answers)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
