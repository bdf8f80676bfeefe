"""The plan of an image's profiled trials: which profiler each side has, and which one follows if that fails. Pure.

Only profiles of one profiler are compared, so what one side has depends on the other one:

- Each side has the profiler of its runtime. For services of Python, that is memray if all of them can have it.
- If memray gives no profile of one side, both have tracemalloc instead.
- A side that does not start with what its profiler prepares runs again, without that. Its profile says less, and is
  compared only with another one of that kind.

A side has at most two trials.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from membudget.build.revision import Side
from membudget.measure.profiling.cpython import TRACEMALLOC
from membudget.measure.profiling.heap_profile import ProfiledBy, ProfiledSide
from membudget.measure.profiling.order import ProfiledTrial, Profiling
from membudget.measure.profiling.profilers import unprepared
from membudget.measure.trial import PhaseName, Trial

NO_PROFILE = "memray gave no profile"

MemrayFinder = Callable[[Side], Path | str]
"""Returns the folder with memray for a side's interpreter, or the reason why there is none."""


@dataclass(frozen=True, slots=True)
class SidePlan:
    """How one side is profiled."""

    usual: Profiling
    """By the profiler of its runtime. For Python, that is tracemalloc."""
    by_memray: Profiling | None = None
    """By memray, which is tried first. None if it cannot count on this side, or not on the other one."""

    @property
    def bare(self) -> Profiling | None:
        """What follows if the side does not start with what its usual profiler prepares. None if that is nothing."""
        other = unprepared(self.usual.profiler)
        return replace(self.usual, profiler=other) if other is not None else None


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """How the sides of an image are profiled, in this order."""

    sides: Mapping[Side, SidePlan]
    not_memray: str | None = None
    """Why tracemalloc is used, and not memray. None if nothing prevents it, or if no side is a service of Python."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A profiled trial that is over."""

    side: Side
    order: Profiling
    found: ProfiledTrial

    @property
    def is_silent_memray(self) -> bool:
        """Whether memray was to count, and gave no profile."""
        return self.order.memray is not None and self.found.side.profile is None


@dataclass(frozen=True, slots=True)
class Planned:
    """The next trial."""

    side: Side
    order: Profiling
    is_again: bool
    """Whether the side has had a trial."""
    not_memray: str | None
    """Why its profile is by tracemalloc, if it is."""


def is_python_service(order: Profiling, judged: Sequence[Trial]) -> bool:
    """Whether memray may count. It can be read once the workload is over, when a job has ended."""
    return order.profiler == TRACEMALLOC and any(
        phase.name == PhaseName.START_UP for trial in judged for phase in trial.phases
    )


def planned(usual: Mapping[Side, Profiling], python_services: Sequence[Side], memray: MemrayFinder) -> ProfilePlan:
    """Return the plan. `usual` has the orders by the profilers of the sides' runtimes."""
    plans = {side: SidePlan(order) for side, order in usual.items()}
    for side in python_services:
        folder = memray(side)
        if isinstance(folder, str):
            return ProfilePlan({each: SidePlan(order) for each, order in usual.items()}, folder)
        # It knows the peak afterwards, so it is not asked before the end.
        plans[side] = replace(plans[side], by_memray=replace(usual[side], memray=folder, trigger_bytes=None))
    return ProfilePlan(plans)


def next_trial(plan: ProfilePlan, ran: Sequence[Ran]) -> Planned | None:
    """Return the trial that follows those that ran. None if the plan is carried out."""
    failed = next((one for one in ran if one.is_silent_memray), None)
    why = plan.not_memray if failed is None else failed.found.side.reason or NO_PROFILE
    # What comes of the side that failed decides whether the other one has to run again.
    for side in sorted(plan.sides, key=lambda each: failed is not None and each is not failed.side):
        before = [one for one in ran if one.side is side]
        order = _next_order(plan.sides[side], before, failed, ran)
        if order is not None:
            return Planned(side, order, bool(before), why)
    return None


def _next_order(plan: SidePlan, before: Sequence[Ran], failed: Ran | None, ran: Sequence[Ran]) -> Profiling | None:
    """Return the order of the next trial of one side, after its trials `before`. `failed` is memray's trial."""
    match before:
        case []:
            return plan.by_memray if plan.by_memray is not None and failed is None else plan.usual
        case [Ran(order=Profiling(memray=None)) as first]:
            return plan.bare if first.found.side.profile is None and first.found.failed_to_start else None
        case [first] if first is failed:
            return plan.usual
        case [_] if failed and any(one.side is failed.side and is_by_tracemalloc(one.found.side) for one in ran):
            return plan.usual
        case _:
            return None


def results(ran: Sequence[Ran]) -> dict[Side, ProfiledSide]:
    """Return the result of each side: of its last trial with a profile, else of its first trial.

    If memray gave no profile, the trial after it counts in any case.
    """
    found: dict[Side, Ran] = {}
    for one in ran:
        before = found.get(one.side)
        if before is None or one.found.side.profile is not None or before.is_silent_memray:
            found[one.side] = one
    return {side: one.found.side for side, one in found.items()}


def is_by_tracemalloc(side: ProfiledSide) -> bool:
    """Whether a side has a profile by tracemalloc."""
    return side.profile is not None and side.profile.profiled_by is ProfiledBy.TRACEMALLOC
