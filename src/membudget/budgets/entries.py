"""What is allowed: a limit the kernel enforces and budgets we judge by, for each image.

These models are `budgets.toml` one to one: `budgets.example.toml` shows every key, `membudget schema` prints them.
"""

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from membudget.budgets.container import ComposeSettings, ContainerSettings
from membudget.budgets.exceptions import BudgetException
from membudget.budgets.fields import (
    AnyPhaseLabel,
    DurationMs,
    FileModel,
    ImageName,
    NonEmpty,
    Platform,
    SizeBytes,
    not_allowed,
)
from membudget.budgets.metric_budgets import NO_OOM_KILLS, MetricBudgets, OfSize, PhaseBudgets, SizeBudget, set_keys
from membudget.budgets.workload import CommandWorkload, Workload
from membudget.core.metrics import Metric


class Totals(FileModel):
    """Budgets of sums over the images of a group."""

    image_size: OfSize = SizeBudget()
    """Of their sizes; a layer that two images share counts twice, as in each image's own size."""
    peak_rss: OfSize = SizeBudget()
    """Of their peaks: what they would need if all reached them at once."""
    settled_rss: OfSize = SizeBudget()
    """Of what they keep when their work is done."""

    def by_metric(self) -> dict[Metric, SizeBudget]:
        """Those that are set."""
        budgets = {
            Metric.IMAGE_SIZE: self.image_size, Metric.PEAK_RSS: self.peak_rss, Metric.SETTLED_RSS: self.settled_rss,
        }  # fmt: skip
        return {metric: budget for metric, budget in budgets.items() if budget != SizeBudget()}


class Group(FileModel):
    """Some images of the file, or all of them."""

    images: tuple[ImageName, ...] | None = Field(default=None, min_length=1)
    """Which. Absent: all."""
    budgets: MetricBudgets = MetricBudgets()
    """Hold for each of them that does not say otherwise, over [defaults]."""
    total: Totals = Totals()
    """Hold for their sum."""


LeakPolicy = Literal["advise", "fail"]
BuildNetwork = Literal["default", "none"]
MOST_TRIALS = 100
MOST_IMAGES = 500
"""A report of five trials a side holds that many (report_size.py)."""
MOST_MEMBERS = 20_000
"""Images of all groups together: a report names each."""


class TrialCount(FileModel):
    """How many trials a side has, after one discarded warm-up."""

    min: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] = 3
    """So many in any case."""
    max: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] = 10
    """So many at the most: after `min`, more only while the answer is unclear."""

    @model_validator(mode="after")
    def _at_least_as_many(self) -> Self:
        if self.max < self.min:
            raise not_allowed("a max that is no less than min")
        return self


def _as_trial_count(value: object) -> object:
    """A number alone: neither more nor fewer."""
    if isinstance(value, dict):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_TRIALS:
        return {"min": value, "max": value}
    raise not_allowed(f"a whole number from 1 to {MOST_TRIALS}, or {{ min = 3, max = 10 }}")


Trials = Annotated[
    TrialCount,
    BeforeValidator(
        _as_trial_count,
        json_schema_input_type=Annotated[int, Field(ge=1, le=MOST_TRIALS)] | TrialCount,
    ),
]
"""Written 5, or as a table."""


class Build(FileModel):
    """How the image is built, with `docker buildx build`, from a clean checkout."""

    context: NonEmpty = "."
    """Folder of the build context, from the top of the repository."""
    dockerfile: NonEmpty = "Dockerfile"
    """Path of the Dockerfile inside the context."""
    target: NonEmpty | None = None
    """Stage to build. Absent: the last."""
    args: dict[str, str] = {}
    """Build arguments."""
    platform: Platform | None = None
    """Platform to build for, like "linux/amd64". Absent: the engine's own."""
    network: BuildNetwork = "default"
    """What RUN steps reach: "default" is the builder's network, "none" is nothing."""


class Defaults(FileModel):
    """What holds for every image that does not say otherwise."""

    limit: SizeBytes | None = None
    timeout: DurationMs | None = None
    settle: DurationMs | None = None
    trials: Trials | None = None
    leak: LeakPolicy | None = None
    container: ContainerSettings = ContainerSettings()
    budgets: MetricBudgets = MetricBudgets()


class ImageSpec(FileModel):
    """One image of the repository: how it is built, exercised, limited and judged."""

    build: Build = Build()
    paths: tuple[NonEmpty, ...] = ()
    """What else of the repository goes into it, outside of its build context: a change there is one of the image."""
    limit: SizeBytes | None = None
    """The memory limit of the container, swap included: `memory.max`. The kernel kills beyond it."""
    timeout: DurationMs = 60_000
    """Wall-clock time a trial may take, without the settle time."""
    settle: DurationMs = 1000
    """How long a service is watched after its workload: `settled_rss` is what it then keeps."""
    trials: Trials = TrialCount()
    """Measured trials a side, after one discarded warm-up: a number, or `min` and `max`."""
    leak: LeakPolicy = "advise"
    """What growth without end during the phase "soak" does: "advise" says it, "fail" fails the check."""
    container: ContainerSettings = ContainerSettings()
    """What surrounds it: environment, files, rights, CPUs."""
    compose: ComposeSettings | None = None
    """The services it needs, and its sidecars. Absent: it runs alone."""
    workload: Workload = CommandWorkload()
    """What exercises the container. Absent: the image's own command, run to its end."""
    budgets: MetricBudgets = MetricBudgets()
    phases: dict[AnyPhaseLabel, PhaseBudgets] = {}
    """Single phases, by name: start-up, settle, or one of the workload's."""

    @property
    def unjudged_phases(self) -> frozenset[str]:
        """Those whose peaks do not count to the whole trial's."""
        return frozenset(name for name, phase in self.phases.items() if not phase.judged)

    @property
    def limit_bytes(self) -> int:
        """The limit; every image of a loaded file has one."""
        if self.limit is None:
            raise ValueError("this image has no limit: possible.py lets none such pass")
        return self.limit

    def with_defaults(self, defaults: Defaults, of_group: MetricBudgets) -> "ImageSpec":
        """This image, with its group's budgets and then `defaults` for what it does not say."""
        inherited = {
            key: getattr(defaults, key)
            for key in ("limit", "timeout", "settle", "trials", "leak")
            if key not in self.model_fields_set and getattr(defaults, key) is not None
        }
        budgets = self.budgets.over(of_group.over(defaults.budgets.over(NO_OOM_KILLS)))
        container = defaults.container.model_copy(update=set_keys(self.container))
        return self.model_copy(update={**inherited, "budgets": budgets, "container": container})


@dataclass(frozen=True, slots=True)
class Budgets:
    """What a budgets file says, defaults applied."""

    images: Mapping[str, ImageSpec] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    """Each with its images named."""
    exceptions: tuple[BudgetException, ...] = ()

    def canonical(self) -> str:
        """The same text for the same budgets."""
        tables = {
            "images": {name: image.model_dump(mode="json") for name, image in self.images.items()},
            "groups": {name: group.model_dump(mode="json") for name, group in self.groups.items()},
            "exceptions": [one.model_dump(mode="json") for one in self.exceptions],
        }
        return json.dumps(tables, sort_keys=True)


class BudgetsFile(FileModel):
    """A whole `budgets.toml`."""

    version: Literal[1]
    """The version of this file's format: 1."""
    defaults: Defaults = Defaults()
    images: Annotated[dict[ImageName, ImageSpec], Field(min_length=1, max_length=MOST_IMAGES)]
    """The images of the repository, by name."""

    groups: dict[ImageName, Group] = {}
    """Images that share budgets, by the group's name."""
    exceptions: tuple[BudgetException, ...] = ()
    """What may be broken for a while."""

    @property
    def members(self) -> int:
        """How many images its groups have together."""
        return sum(len(self.images if group.images is None else group.images) for group in self.groups.values())

    def resolved(self) -> Budgets:
        """Every image with the defaults applied, and every group with its images."""
        everything = tuple(self.images)
        groups = {
            name: group if group.images is not None else group.model_copy(update={"images": everything})
            for name, group in self.groups.items()
        }
        budgets = {image: group.budgets for group in groups.values() for image in group.images or ()}
        none = MetricBudgets()
        images = {
            name: image.with_defaults(self.defaults, budgets.get(name, none)) for name, image in self.images.items()
        }
        return Budgets(images, groups, self.exceptions)


def build_paths(image: ImageSpec) -> tuple[str, ...] | None:
    """What it is built from: build context, Dockerfile, and what it declares. None: that cannot be told."""
    if image.compose is not None:
        return None  # what its services are built from is for compose to say
    dockerfile = posixpath.join(image.build.context, image.build.dockerfile)
    return _normalised(image.build.context, dockerfile, *image.paths)


def measurement_paths(image: ImageSpec) -> tuple[str, ...]:
    """What its container and its workload are given."""
    settings = image.container
    return _normalised(*settings.env_files, *settings.volumes.values(), *image.workload.named_files)


def _normalised(*paths: str) -> tuple[str, ...]:
    return tuple(sorted({posixpath.normpath(path) for path in paths}))
