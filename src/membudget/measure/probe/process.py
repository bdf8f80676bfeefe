"""The sampling process, which follows one cgroup after another and takes orders from standard input.

It runs as `python -m membudget.measure.probe.process`, on the host or in a probe container, never in the measured
cgroup. It keeps its samples until asked, so that a slow reader cannot delay sampling. It uses the standard library
only, to start in a few hundredths of a second and to stay small.
"""

import contextlib
import dataclasses
import json
import os
import select
import sys
import time
from pathlib import Path
from typing import BinaryIO

from membudget.measure.probe.machine import (
    available_bytes,
    free_bytes,
    granted,
    has_pressure,
    host_settings,
    sees_itself,
)
from membudget.measure.probe.messages import Follow
from membudget.measure.probe.sampler import Sampler
from membudget.measure.probe.snapshots import SnapshotProcess

_PRIORITY = -10
"""The priority of both processes (setpriority). On a busy machine, a sampler that waits for a CPU misses peaks, and one
that reads processes holds their memory meanwhile.
"""


class _Probe:
    """Obeys orders and samples in between."""

    def __init__(self, snapshots: SnapshotProcess) -> None:
        self._snapshots = snapshots
        self._sampler: Sampler | None = None
        self._next_look = 0.0
        """The time of the next look on `time.monotonic`, which is not affected when the system clock is set."""

    def run(self, orders: BinaryIO) -> None:
        """Obey orders until standard input ends."""
        input_fd = orders.fileno()
        waiting = select.poll()  # cheaper than select(2), a hundred times a second
        waiting.register(input_fd, select.POLLIN)
        for answers in self._snapshots.answers:
            waiting.register(answers, select.POLLIN)
        while True:
            readable = {descriptor for descriptor, _ in waiting.poll(self._timeout_ms())}
            if input_fd in readable:
                line = orders.readline()
                if not line:
                    return
                sys.stdout.write(json.dumps(self._obey(json.loads(line))) + "\n")
                sys.stdout.flush()
            elif readable:
                self._snapshots.receive()
                if not self._snapshots.answers:  # the snapshot process died
                    for descriptor in readable:
                        waiting.unregister(descriptor)
            self._look_if_due()

    def _timeout_ms(self) -> float | None:
        """Return the time until the next look, in milliseconds. poll(2) truncates it to whole ones."""
        if self._sampler is None:
            return None
        return max(0.0, 1000 * (self._next_look - time.monotonic()))

    def _look_if_due(self) -> None:
        now = time.monotonic()
        if self._sampler is not None and now >= self._next_look:
            self._sampler.look()
            self._next_look = max(self._next_look + self._sampler.interval_s, now)

    def _obey(self, order: dict[str, object]) -> dict[str, object]:
        kind = order.pop("order")
        if kind == "machine":
            root = Path(str(order["root"]))
            free, cpus = granted(root)
            available = [left for left in (available_bytes(), free) if left is not None]
            return {
                "available_bytes": min(available, default=None),
                "granted_cpus": cpus,
                "swap_bytes": host_settings().swap_bytes,
                "sees_cgroups": sees_itself(root),
                "has_pressure": has_pressure(),
                "root_free_bytes": free_bytes(),
            }
        if kind == "now":
            sampler = self._sampler
            return {
                "rss_bytes": sampler.now() if sampler is not None else None,
                "oom_kills": sampler.kills() if sampler is not None else None,
            }
        if kind == "follow":
            if self._sampler is not None:
                self._sampler.close()
            self._sampler = Sampler(Follow(**order), self._snapshots)  # type: ignore[arg-type]
            self._next_look = time.monotonic()
            return {}
        if self._sampler is None:
            return {"error": "nothing is followed"}
        return self._obey_for(self._sampler, str(kind), order)

    def _obey_for(self, sampler: Sampler, kind: str, order: dict[str, object]) -> dict[str, object]:
        if kind == "phase":
            sampler.begin_phase(str(order["name"]))
        elif kind == "end":
            sampler.end_phase()
        else:
            self._sampler = None
            return dataclasses.asdict(sampler.report())
        return {}


def main() -> None:
    """Obey orders until standard input ends."""
    with contextlib.suppress(OSError):  # a probe in a container may lack the permission
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    snapshots = SnapshotProcess()
    try:
        _Probe(snapshots).run(sys.stdin.buffer)
    finally:
        snapshots.close()


if __name__ == "__main__":
    main()
