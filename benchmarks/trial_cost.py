"""What one trial costs, part by part, besides the work of its container.

`make bench-check-cost` prints the table. The parts are timed in membudget itself, by wrapping the methods that do them.
Time inside of another part counts only for the inner one, so that the parts add up.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tabulate import tabulate

from benchmarks.truth import bench
from membudget.budgets.workload import CommandWorkload, HttpWorkload, Workload
from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.build.docker_images import inspect
from membudget.core.quantities import MIB
from membudget.engine.containers import Containers
from membudget.engine.run_id import own_run_id
from membudget.measure.equipment import MeasuringOptions, TrialPool, measuring
from membudget.measure.probe.client import CgroupProbe
from membudget.measure.runner import TrialRunner
from membudget.measure.trial import TrialSpec
from membudget.measure.workload.run import ContainerWorkload
from membudget.version import VERSION
from tests.support import prepared_images

_TRIALS = 10
_WORK = "the workload (not a cost)"
_SETTLE = "settle time, as set (not a cost)"
_METHODS: tuple[tuple[type, str, str], ...] = (
    (Containers, "declarations", "read what the image declares"),
    (Containers, "create", "create the container"),
    (Containers, "start", "start the container"),
    (Containers, "remove", "remove the container and its cgroup"),
    (CgroupProbe, "follow", "orders to the probe"),
    (CgroupProbe, "begin_phase", "orders to the probe"),
    (CgroupProbe, "end_phase", "orders to the probe"),
    (CgroupProbe, "finish", "read marks and samples"),
    (TrialRunner, "_settle", _SETTLE),
    (TrialRunner, "_end", "end the container, read its state"),
    (ContainerWorkload, "_become_ready", "wait until it is ready"),
    (ContainerWorkload, "run", _WORK),
)
_REST = "the rest"


@dataclass(slots=True)
class _Clock:
    """The seconds of each part of the running trial, without those of the parts inside of it."""

    parts: dict[str, float] = field(default_factory=dict)
    inner: list[float] = field(default_factory=list)

    def wrapped(self, part: str, method: Callable[..., object]) -> Callable[..., object]:
        """Return `method`, timed as `part`."""

        @functools.wraps(method)
        def timed(*arguments: object, **named: object) -> object:
            begun = time.monotonic()
            self.inner.append(0.0)
            try:
                return method(*arguments, **named)
            finally:
                taken = time.monotonic() - begun
                self.parts[part] = self.parts.get(part, 0.0) + taken - self.inner.pop()
                if self.inner:
                    self.inner[-1] += taken

        return timed


@contextmanager
def _timed() -> Iterator[_Clock]:
    """Time the parts in this block."""
    clock = _Clock()
    known = [(owner, name, getattr(owner, name)) for owner, name, _ in _METHODS]
    for (owner, name, part), (_, _, method) in zip(_METHODS, known, strict=True):
        setattr(owner, name, clock.wrapped(part, method))
    try:
        yield clock
    finally:
        for owner, name, method in known:
            setattr(owner, name, method)


def main() -> None:
    """Print the table: of a command that does nothing, and of a service that answers one request."""
    images = prepared_images.build()
    asked = HttpWorkload(kind="http", port=8080, ready=Readiness(http="/"), requests=(HttpRequests(path="/", count=1),))
    with bench() as on:
        begun = time.monotonic()
        with measuring(on.engine, own_run_id(), MeasuringOptions(VERSION), print) as pool:
            set_up_s = time.monotonic() - begun
            specs = {
                "a command": _spec(inspect(on.engine, images.truth).image_id, CommandWorkload(command=("1",) * 5)),
                "a service": _spec(inspect(on.engine, images.service).image_id, asked),
            }
            costs = {name: _cost(pool, spec) for name, spec in specs.items()}
            begun = time.monotonic()
        removed_s = time.monotonic() - begun
    parts = list(dict.fromkeys([part for _, _, part in _METHODS] + [_REST]))
    rows = [[part, *(_ms(costs[name].get(part)) for name in costs)] for part in parts]
    rows.append(["**cost of a trial**", *(f"**{_ms(_total(costs[name]))}**" for name in costs)])
    print(f"\n{on.where}; medians of {_TRIALS} trials\n")
    print(tabulate(rows, ("part of a trial", *costs), tablefmt="github", disable_numparse=True))
    print(f"\nonce a check: {_ms(set_up_s)} to start the probe, {_ms(removed_s)} to clean up")


def _spec(image_id: str, workload: Workload) -> TrialSpec:
    return TrialSpec(workload.kind, image_id, 64 * MIB, 60_000, workload)


def _cost(pool: TrialPool, spec: TrialSpec) -> dict[str, float]:
    """Return the median seconds of each part, and of what is in none of them."""
    pool.run(spec)
    with _timed() as clock:
        trials: list[Mapping[str, float]] = []
        for _ in range(_TRIALS):
            clock.parts = {}
            begun = time.monotonic()
            pool.run(spec)
            whole = time.monotonic() - begun
            trials.append({**clock.parts, _REST: whole - sum(clock.parts.values())})
    return {part: statistics.median(trial.get(part, 0.0) for trial in trials) for part in trials[0]}


def _total(parts: Mapping[str, float]) -> float:
    return sum(seconds for part, seconds in parts.items() if part not in (_WORK, _SETTLE))


def _ms(seconds: float | None) -> str:
    return "none" if seconds is None else f"{1000 * seconds:.0f} ms"
