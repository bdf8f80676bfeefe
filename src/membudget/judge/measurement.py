"""The measurements of an image: both sides, their trials, and what failed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from membudget.budgets.cost import Deployment
from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.fields import AnyPhaseLabel
from membudget.budgets.fit import LastFit
from membudget.budgets.production import StoredScale
from membudget.budgets.rules import EffectiveBudget
from membudget.contents.diff import ImageDiff
from membudget.contents.summary import ImageSummary
from membudget.core.errors import brief
from membudget.core.files import Stored
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.judge.fitted import FittedImage
from membudget.judge.larger_bodies import LargerBodies
from membudget.judge.then import Then
from membudget.measure.assumed import AutoEnd
from membudget.measure.probe.messages import HostSettings
from membudget.measure.profiling.heap_profile import PairProfile
from membudget.measure.runtimes.runtime import MOST_RUNTIMES, Runtime
from membudget.measure.trial import Trial


class FailureStage(StrEnum):
    """The stage at which a side failed."""

    BUILD = "build"
    IMAGE = "image"
    """The image was built, but its layers could not be read."""
    WORKLOAD = "workload"
    """The container ran, but the workload failed. Its memory says nothing about a working service."""
    ENVIRONMENT = "environment"
    """The engine or the cgroups failed during the trials."""


MOST_RECENT = 20
"""The most values of main that are shown."""
FEWEST_RECENT = 3
"""Fewer values of main are no trend, and are not shown."""
Recent = Annotated[tuple[Annotated[int, Field(ge=0, le=2**62)], ...], Field(max_length=MOST_RECENT)]
"""Values of one metric."""
_WITHOUT_IMAGE = (FailureStage.BUILD, FailureStage.IMAGE)


@dataclass(frozen=True, slots=True)
class Failure(Stored):
    """Why a side lacks some or all figures."""

    stage: FailureStage
    reason: str
    """A sentence for people. Only whether two failures are told once or twice depends on it."""
    log_tail: tuple[str, ...] = ()
    engine_lost: bool = False
    """Whether the engine stopped answering. The report tells that once, for the whole check."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", brief(self.reason))

    def is_same(self, other: "Failure | None") -> bool:
        """Return whether both have the same stage and reason. Their logs may differ."""
        return other is not None and (self.stage, self.reason) == (other.stage, other.reason)

    def __str__(self) -> str:
        return brief(f"{self.stage} failed: {self.reason}")


@dataclass(frozen=True, slots=True)
class SideMeasurement(Stored):
    """The measurement of one side of an image, base or head."""

    image_id: str | None
    """None if the image could not be built."""
    metrics: dict[Metric, MetricValue]
    """Every metric, with a value or the reason why there is none."""
    trials: tuple[Trial, ...] = ()
    failure: Failure | None = None
    contents: ImageSummary | None = None
    """The contents of the image. None if its layers could not be read."""
    failure_hid_image: bool = False
    """Whether `failure` is also why the image could not be read. An engine may stop before that, or after."""
    fitted: FittedImage | None = None
    """What earlier fits of exactly this image found. It is only shown. None if there was none."""
    runtimes: Annotated[tuple[Runtime, ...], Field(max_length=MOST_RUNTIMES)] = ()
    """The runtimes that were seen near the peak. Only the head's are looked for. Empty in older reports."""

    def lost(self, metric: Metric) -> Failure | None:
        """Return the failure that explains why a metric has no value.

        None if there is none, or if it did not affect the metric.
        """
        if self.failure is None or metric not in IMAGE_METRICS:
            return self.failure
        return self.failure if self.failure.stage in _WITHOUT_IMAGE or self.failure_hid_image else None

    @property
    def only_sidecars_were_killed(self) -> bool:
        """Whether every OOM kill was in a sidecar."""
        in_sidecars = any(sidecar.oom_kills.value for trial in self.trials for sidecar in trial.sidecars)
        return in_sidecars and all(trial.oom is None for trial in self.trials)


class Presence(StrEnum):
    """The sides on which an image exists."""

    BOTH = "both"
    NEW = "new"
    REMOVED = "removed"
    HEAD_ONLY = "head_only"
    """There is no base revision."""


@dataclass(frozen=True, slots=True)
class OwnMeasurement(Stored):
    """An additional run of the head with its own settings. The comparison with the base uses the base's settings."""

    side: SideMeasurement
    counts: bool
    """Whether maximums are judged by this run. Otherwise it is only shown, until the change is approved or merged."""
    workload: str
    """The workload in words."""


@dataclass(frozen=True, slots=True)
class ImageMeasurement(Stored):
    """Everything that the judgement of an image needs, and what readers want to see with it."""

    name: str
    presence: Presence
    limit_bytes: int
    workload: str
    """The workload in words."""
    budgets: dict[Metric, EffectiveBudget]
    base: SideMeasurement | None = None
    head: SideMeasurement | None = None
    leak_fails: bool = False
    """Whether endless growth during a soak fails the check."""
    notes: tuple[str, ...] = field(default=())
    settings_of_base: tuple[str, ...] = ()
    """The keys and given files that the head changes. Both sides are compared with the base's."""
    phase_budgets: dict[AnyPhaseLabel, dict[Metric, EffectiveBudget]] = field(default_factory=dict)
    unjudged_phases: tuple[AnyPhaseLabel, ...] = ()
    """The phases whose peaks do not count towards the figures of the whole trial."""
    exceptions: dict[Metric, ExceptionInForce] = field(default_factory=dict)
    """The budgets that may be broken for a limited time."""
    duration_ms: int = 0
    """The duration of the trials of both sides together."""
    took_ms: int | None = None
    """How long one side took: its build, and its trials on average. None if results were reused, and in older reports.
    """
    dockerfile: str | None = None
    """The path of the head's Dockerfile in the repository."""
    contents_diff: ImageDiff | None = None
    """The files that differ between the images, and the layers that caused it."""
    base_waived: bool = False
    """Whether someone with the right to do so approved that growth is not judged if the base does not work."""
    is_unchanged: bool = False
    """Whether base and head are the same image with the same budgets. Nothing is then run or judged."""
    planned_trials: int | None = None
    """The fewest trials of each side. More are run while they could change the answer. None in older reports."""
    own: OwnMeasurement | None = None
    """None if base and head were run with the head's settings."""
    fit: LastFit | None = None
    """What `membudget fit` last found. None if the image was never fitted, and in older reports."""
    deployment: Deployment | None = None
    """Where it is deployed, and what memory costs there. None without `[cost]`, and in older reports."""
    larger: LargerBodies | None = None
    """What larger bodies did. None without `larger_bodies`, and in older reports."""
    then: dict[Metric, Then] = field(default_factory=dict)
    """What the history has of the time that a creep budget names, by metric. Empty in older reports."""
    recent: dict[Metric, Recent] = field(default_factory=dict)
    """The last values that main had, oldest first. They are only shown. Empty in older reports."""
    profile: PairProfile | None = None
    """Which code held the memory on both sides. None if nobody asked, and in older reports."""
    scale: StoredScale = 1.0
    """How many times as much memory the image needs in production as in CI. 1 in older reports."""

    @property
    def side_for_maximums(self) -> SideMeasurement | None:
        """The run of the head that maximums are judged by."""
        return self.own.side if self.own is not None and self.own.counts else self.head

    @property
    def fails_with_base_settings(self) -> bool:
        """Whether a side fails with the base's settings although the head's own settings count."""
        if self.own is None or not self.own.counts:
            return False
        failures = [side.failure for side in (self.base, self.head) if side is not None and side.failure is not None]
        return bool(failures) and all(failure.stage is FailureStage.WORKLOAD for failure in failures)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that maximums are judged by."""
        return self.side_for_maximums.trials if self.side_for_maximums is not None else ()

    @property
    def failure(self) -> Failure | None:
        """Why required figures of the head are missing. None if none are."""
        of_itself = self.side_for_maximums.failure if self.side_for_maximums is not None else None
        is_needed = self.head is not None and not self.fails_with_base_settings
        return of_itself or (self.head.failure if self.head is not None and is_needed else None)

    def with_each_side(self, of: Callable[[SideMeasurement], SideMeasurement]) -> "ImageMeasurement":
        """Return the image with `of` applied to each of its sides."""
        return replace(
            self,
            base=of(self.base) if self.base is not None else None,
            head=of(self.head) if self.head is not None else None,
            own=replace(self.own, side=of(self.own.side)) if self.own is not None else None,
        )

    @property
    def sides(self) -> tuple[SideMeasurement, ...]:
        """All measured sides."""
        own = self.own.side if self.own is not None else None
        return tuple(side for side in (self.base, self.head, own) if side is not None)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """A setting of the machine that differed between two trials."""

    setting: str
    """The name of the field of HostSettings."""
    before: str | int | None
    after: str | int | None


_SERVICE_ENDS = (AutoEnd.HEALTHY, AutoEnd.RESTED, AutoEnd.KEPT_RUNNING, AutoEnd.BUSY)
"""How the run of a service may end without a workload. A service is observed for longer with each."""


def ended_otherwise(base: Sequence[Trial], head: Sequence[Trial]) -> tuple[AutoEnd, AutoEnd] | None:
    """Return how base and head ended without a workload, if that makes them incomparable. Otherwise None.

    They are incomparable if one is a one-shot and the other a service, or if a trial of the head was observed for a
    shorter time than one of the base. Otherwise a head that ends at once, or adds a HEALTHCHECK, passes any budget.
    """
    ends = [[one.assumed.end for one in trials if one.assumed is not None] for trials in (base, head)]
    for before in ends[0]:
        for after in ends[1]:
            if before is not None and after is not None and not _is_observed_enough(before, after):
                return before, after
    return None


def _is_observed_enough(base: AutoEnd, head: AutoEnd) -> bool:
    if base is AutoEnd.ENDED or head is AutoEnd.ENDED:
        return base is head
    return _SERVICE_ENDS.index(head) >= _SERVICE_ENDS.index(base)


def settings_change(trials: Sequence[Trial]) -> SettingsChange | None:
    """Return the first of the machine's settings that changed between `trials`. None if none did.

    Figures from before and after such a change cannot be compared. Transparent huge pages alone can increase RSS
    tenfold.
    """
    for earlier, later in pairwise(trials):
        for setting in fields(HostSettings):
            before, after = getattr(earlier.settings, setting.name), getattr(later.settings, setting.name)
            if before != after:
                return SettingsChange(setting.name, before, after)
    return None
