"""What was found out about an image: both sides, their trials, and what stood in the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from itertools import pairwise

from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.fields import AnyPhaseLabel
from membudget.budgets.rules import EffectiveBudget
from membudget.contents.diff import ImageDiff
from membudget.contents.summary import ImageSummary
from membudget.core.errors import brief
from membudget.core.files import Stored
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.measure.probe.messages import HostSettings
from membudget.measure.trial import Trial


class FailureStage(StrEnum):
    """What of a side could not be done."""

    BUILD = "build"
    IMAGE = "image"
    """It was built, but its layers could not be read."""
    WORKLOAD = "workload"
    """It ran, but the workload did not pass: its memory says nothing about a service that works."""
    ENVIRONMENT = "environment"
    """Engine or cgroups failed during its trials."""


_WITHOUT_IMAGE = (FailureStage.BUILD, FailureStage.IMAGE)


@dataclass(frozen=True, slots=True)
class Failure(Stored):
    """Why a side has no, or not all, figures."""

    stage: FailureStage
    reason: str
    """A sentence for people, stored as such."""
    log_tail: tuple[str, ...] = ()
    engine_lost: bool = False
    """Whether the engine stopped answering. That is told once of the whole check."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", brief(self.reason))

    def is_same(self, other: "Failure | None") -> bool:
        """Whether both tell the same, whatever their logs say."""
        return other is not None and (self.stage, self.reason) == (other.stage, other.reason)

    def __str__(self) -> str:
        return brief(f"{self.stage} failed: {self.reason}")


@dataclass(frozen=True, slots=True)
class SideMeasurement(Stored):
    """One side of an image: base or head."""

    image_id: str | None
    """None when it could not be built."""
    metrics: dict[Metric, MetricValue]
    """Every metric: a value, or why there is none."""
    trials: tuple[Trial, ...] = ()
    failure: Failure | None = None
    contents: ImageSummary | None = None
    """What the image holds; None where its layers could not be read."""
    failure_hid_image: bool = False
    """Whether `failure` is also why the image could not be read. An engine may stop before that, or after."""

    def lost(self, metric: Metric) -> Failure | None:
        """The failure that is why a metric has no value here; None where there is none, or it leaves the metric."""
        if self.failure is None or metric not in IMAGE_METRICS:
            return self.failure
        return self.failure if self.failure.stage in _WITHOUT_IMAGE or self.failure_hid_image else None

    @property
    def only_sidecars_were_killed(self) -> bool:
        """Whether every OOM kill was in a sidecar."""
        in_sidecars = any(sidecar.oom_kills.value for trial in self.trials for sidecar in trial.sidecars)
        return in_sidecars and all(trial.oom is None for trial in self.trials)


class Presence(StrEnum):
    """On which sides an image exists."""

    BOTH = "both"
    NEW = "new"
    REMOVED = "removed"
    HEAD_ONLY = "head_only"
    """There is no base revision to look for it in."""


@dataclass(frozen=True, slots=True)
class OwnMeasurement(Stored):
    """The head run with its own settings of what is measured, where it is compared with the base by the base's."""

    side: SideMeasurement
    counts: bool
    """Whether maximums are judged by it. Otherwise it is only shown, until the change is approved or merged."""
    workload: str
    """In words."""


@dataclass(frozen=True, slots=True)
class ImageMeasurement(Stored):
    """All that the judgement of an image needs, and what a reader wants to see beside it."""

    name: str
    presence: Presence
    limit_bytes: int
    workload: str
    """In words."""
    budgets: dict[Metric, EffectiveBudget]
    base: SideMeasurement | None = None
    head: SideMeasurement | None = None
    leak_fails: bool = False
    """Whether growth without end during a soak fails the check."""
    notes: tuple[str, ...] = field(default=())
    settings_of_base: tuple[str, ...] = ()
    """Keys of what is measured, and given files, that the head changes: both sides are compared with the base's."""
    phase_budgets: dict[AnyPhaseLabel, dict[Metric, EffectiveBudget]] = field(default_factory=dict)
    unjudged_phases: tuple[AnyPhaseLabel, ...] = ()
    """Those whose peaks do not count to the figures of the whole trial."""
    exceptions: dict[Metric, ExceptionInForce] = field(default_factory=dict)
    """Budgets that may be broken for a while."""
    duration_ms: int = 0
    """How long its trials took, both sides together."""
    dockerfile: str | None = None
    """Path of the head's Dockerfile in the repository."""
    contents_diff: ImageDiff | None = None
    """What of the image's files differs, and which layers caused it."""
    base_waived: bool = False
    """Whether growth need not be judged where the base does not work: somebody who may approved it."""
    is_unchanged: bool = False
    """Base and head are the same image with the same budgets: nothing was run, and nothing is judged."""
    own: OwnMeasurement | None = None
    """None: base and head were run with the head's settings."""

    @property
    def by_itself(self) -> SideMeasurement | None:
        """The run of the head that maximums are compared with."""
        return self.own.side if self.own is not None and self.own.counts else self.head

    @property
    def lacks_old_way(self) -> bool:
        """Whether a side fails with the base's settings, where the head's own count."""
        if self.own is None or not self.own.counts:
            return False
        failures = [side.failure for side in (self.base, self.head) if side is not None and side.failure is not None]
        return bool(failures) and all(failure.stage is FailureStage.WORKLOAD for failure in failures)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Those that maximums are judged by."""
        return self.by_itself.trials if self.by_itself is not None else ()

    @property
    def failure(self) -> Failure | None:
        """Why figures of the head are missing that have to be there."""
        of_itself = self.by_itself.failure if self.by_itself is not None else None
        is_needed = self.head is not None and not self.lacks_old_way
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
        """All that there are."""
        own = self.own.side if self.own is not None else None
        return tuple(side for side in (self.base, self.head, own) if side is not None)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """One of the machine's settings that was not the same in two trials."""

    setting: str
    """The field of HostSettings."""
    before: str | int | None
    after: str | int | None


def settings_change(trials: Sequence[Trial]) -> SettingsChange | None:
    """The first of the machine's settings that changed between `trials`; None when none did.

    Memory figures from before and after cannot be compared: transparent huge pages alone can make ten times the RSS.
    """
    for earlier, later in pairwise(trials):
        for setting in fields(HostSettings):
            before, after = getattr(earlier.settings, setting.name), getattr(later.settings, setting.name)
            if before != after:
                return SettingsChange(setting.name, before, after)
    return None
