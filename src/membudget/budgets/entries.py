"""The budgets file as models: for each image, a limit that the kernel enforces and budgets to judge by.

The models mirror `budgets.toml` one to one. `budgets.example.toml` shows every key, and `membudget schema` prints the
format.
"""

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, SerializeAsAny, StrictBool, model_validator

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.budget_tables import SizeBudget
from membudget.budgets.container import ComposeSettings, ContainerSettings
from membudget.budgets.cost import CostSettings
from membudget.budgets.exceptions import BudgetException
from membudget.budgets.fields import (
    AnyPhaseLabel,
    BakePath,
    DurationMs,
    FileModel,
    ImageName,
    NonEmpty,
    Platform,
    SizeBytes,
    not_allowed,
)
from membudget.budgets.fit import FitSettings, FitThresholds
from membudget.budgets.kubernetes import KubernetesSettings
from membudget.budgets.larger_bodies import LargerRequests
from membudget.budgets.manifests import ManifestEntry, ManifestRules, Manifests
from membudget.budgets.memory_rules import MemoryRules
from membudget.budgets.metric_budgets import NO_OOM_KILLS, MetricBudgets, OfSize, PhaseBudgets, set_keys
from membudget.budgets.production import ProductionSettings
from membudget.budgets.runtimes import RuntimeRules
from membudget.budgets.trial_count import TrialCount, TrialsField
from membudget.budgets.workload import Workload
from membudget.core.metrics import Metric


class Totals(FileModel):
    """Budgets for sums over the images of a group. Rates and latencies have none: images are loaded one by one."""

    image_size: OfSize = SizeBudget()
    """For the sum of the image sizes. A layer that two images share counts twice, as in each image's own size."""
    peak_rss: OfSize = SizeBudget()
    """For the sum of the peaks: the memory needed if all images reached their peaks at once."""
    settled_rss: OfSize = SizeBudget()
    """For the sum of the memory that the images keep when their work is done."""

    def by_metric(self) -> dict[Metric, SizeBudget]:
        """Return the totals that are set, by metric."""
        budgets = {
            Metric.IMAGE_SIZE: self.image_size, Metric.PEAK_RSS: self.peak_rss, Metric.SETTLED_RSS: self.settled_rss,
        }  # fmt: skip
        return {metric: budget for metric, budget in budgets.items() if budget != SizeBudget()}


class Group(FileModel):
    """A group of images with budgets in common."""

    images: tuple[ImageName, ...] | None = Field(default=None, min_length=1)
    """Names of the images. If absent, all images."""
    budgets: MetricBudgets = MetricBudgets()
    """Budgets for each image of the group. They override [defaults], and an image's own budgets override them."""
    total: Totals = Totals()
    """Budgets for the sums over the group."""


_BAKE_TARGET = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
LeakPolicy = Literal["advise", "fail"]
BuildNetwork = Literal["default", "none"]
MOST_IMAGES = 500
"""A report with five trials per side has room for this many images (json_bounds.py)."""
MOST_MEMBERS = 20_000
"""The most images of all groups together, because a report lists each."""


class Build(FileModel):
    """How to build the image. membudget runs `docker buildx build` on a clean checkout."""

    model_config = ConfigDict(json_schema_extra={"if": {"required": ["bake"]}, "then": {"required": ["target"]}})

    bake: BakePath | None = None
    """Bake file (docker-bake.hcl or .json) whose `target` says how to build the image. `docker buildx bake --print`
    resolves it, with the defaults of its variables.
    """
    context: NonEmpty = "."
    """Folder of the build context, from the top of the repository. With `bake`: the folder that the paths of the bake
    file start from. If absent, the bake file's own folder.
    """
    dockerfile: NonEmpty = "Dockerfile"
    """Path of the Dockerfile inside the build context."""
    target: NonEmpty | None = None
    """Stage to build. If absent, the last stage. With `bake`: the target of the bake file."""
    args: dict[str, str] = {}
    """Build arguments."""
    platform: Platform | None = None
    """Platform to build for, such as "linux/amd64". If absent, the engine's own."""
    network: BuildNetwork = "default"
    """Network of RUN steps: "default" is the builder's network, "none" is no network."""

    @model_validator(mode="after")
    def _bake_file_says_the_rest(self) -> Self:
        if self.bake is None:
            return self
        if self.target is None or not re.fullmatch(_BAKE_TARGET, self.target):
            raise not_allowed("a target of the bake file beside `bake`: its name has letters, digits, _ and -")
        if {"dockerfile", "args"} & self.model_fields_set:
            raise not_allowed("beside `bake`, only target, context, platform and network: the bake file says the rest")
        return self


class Defaults(FileModel):
    """Settings for every image that does not override them."""

    limit: SizeBytes | None = None
    """Memory limit of the containers, including swap (`memory.max`). The kernel kills processes that exceed it."""
    timeout: DurationMs | None = None
    """The longest time a trial may take, without the settle time."""
    settle: DurationMs | None = None
    """How long to observe a service after its workload."""
    trials: TrialsField | None = None
    """Measured trials per side, after one discarded warm-up: a number, or a table with `min` and `max`."""
    leak: LeakPolicy | None = None
    """What happens if memory grows without end during the phase "soak": "advise" reports it, "fail" fails the check."""
    profile: StrictBool | None = None
    """Whether base and head are profiled if the memory breaks a budget."""
    container: ContainerSettings = ContainerSettings()
    """Environment, files, rights and CPUs of the containers."""
    budgets: MetricBudgets = MetricBudgets()
    """Budgets of every image, by metric."""
    fit: FitThresholds = FitThresholds()
    """What `membudget fit` accepts as comfortable, and how far the limits may be from the last fits."""


class ImageSpec(FileModel):
    """One image of the repository: how it is built, exercised, limited and judged."""

    build: Build = Build()
    """How to build the image."""
    paths: tuple[NonEmpty, ...] = ()
    """Further paths of the repository that affect the image, outside its build context. A change there counts as a
    change of the image.
    """
    limit: SizeBytes | None = None
    """Memory limit of the container, including swap (`memory.max`). The kernel kills processes that exceed it. If
    absent, the container's limit in the manifest of `kubernetes`.
    """
    timeout: DurationMs = 60_000
    """The longest time a trial may take, without the settle time."""
    settle: DurationMs = 1000
    """How long to observe a service after its workload. `settled_rss` is the memory that it then keeps."""
    trials: TrialsField = TrialCount()
    """Measured trials per side, after one discarded warm-up: a number, or a table with `min` and `max`."""
    leak: LeakPolicy = "advise"
    """What happens if memory grows without end during the phase "soak": "advise" reports it, "fail" fails the check."""
    profile: StrictBool = True
    """Whether base and head are profiled if the memory breaks a budget: each runs once more with the profiler of its
    language, to show which code holds the memory. No verdict depends on it.
    """
    container: ContainerSettings = ContainerSettings()
    """Environment, files, rights and CPUs of the container."""
    compose: ComposeSettings | None = None
    """The services that the image needs, and its sidecars. If absent, the container runs alone."""
    kubernetes: SerializeAsAny[KubernetesSettings] | None = None
    """The manifest whose pod the image runs in. Its command, variables, volumes, init containers and sidecars are used.
    """
    workload: Workload = AutoWorkload()
    """What exercises the container. If absent, a one-shot runs to its end, and a service that is ready is left idle."""
    larger_bodies: LargerRequests = {}
    """Requests with larger bodies or responses, by the path in the workload. After the judged trials, the head runs
    with them, to show whether it holds whole bodies in memory.
    """
    budgets: MetricBudgets = MetricBudgets()
    """Budgets of the image, by metric."""
    fit: FitSettings = FitSettings()
    """What `membudget fit` accepts as comfortable, and what it last found."""
    cost: CostSettings | None = None
    """Where and how often the image is deployed. These keys override those of the file's `[cost]`."""
    production: ProductionSettings = ProductionSettings()
    """How the image is found in production, and the factor between CI's memory and production's."""
    phases: dict[AnyPhaseLabel, PhaseBudgets] = {}
    """Budgets of single phases, by name: start-up, settle, or a phase of the workload."""

    @property
    def unjudged_phases(self) -> frozenset[str]:
        """The phases whose peaks do not count towards the peak of the whole trial."""
        return frozenset(name for name, phase in self.phases.items() if not phase.judged)

    @property
    def limit_bytes(self) -> int:
        """The limit, in bytes. Every image of a loaded file has one. Raises ValueError if there is none."""
        if self.limit is None:
            raise ValueError("this image has no limit: possible.py lets none such pass")
        return self.limit

    def with_defaults(
        self, defaults: Defaults, of_group: MetricBudgets, of_file: CostSettings | None = None
    ) -> "ImageSpec":
        """Return this image with its group's budgets, then `defaults`, for everything that it does not set.

        `of_file` is the file's `[cost]`.
        """
        inherited = {
            key: getattr(defaults, key)
            for key in ("limit", "timeout", "settle", "trials", "leak", "profile")
            if key not in self.model_fields_set and getattr(defaults, key) is not None
        }
        budgets = self.budgets.over(of_group.over(defaults.budgets.over(NO_OOM_KILLS)))
        container = defaults.container.model_copy(update=set_keys(self.container))
        fit = self.fit.with_defaults(defaults.fit)
        cost = self.cost.with_defaults(of_file) if self.cost is not None else of_file
        update = {**inherited, "budgets": budgets, "container": container, "fit": fit, "cost": cost}
        return self.model_copy(update=update)


@dataclass(frozen=True, slots=True)
class Budgets:
    """The content of a budgets file, with defaults applied."""

    images: Mapping[str, ImageSpec] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    """The groups, each with the names of its images."""
    exceptions: tuple[BudgetException, ...] = ()
    manifests: tuple[ManifestEntry, ...] = ()
    manifest_rules: ManifestRules = ManifestRules()
    runtime_rules: RuntimeRules = RuntimeRules()
    memory_rules: MemoryRules = MemoryRules()

    def canonical(self) -> str:
        """Return a text that is the same for the same budgets."""
        tables = {
            "images": {name: image.model_dump(mode="json") for name, image in self.images.items()},
            "groups": {name: group.model_dump(mode="json") for name, group in self.groups.items()},
            "exceptions": [one.model_dump(mode="json") for one in self.exceptions],
            "manifests": [one.model_dump(mode="json") for one in self.manifests],
            "manifest_rules": self.manifest_rules.model_dump(mode="json"),
            "runtime_rules": self.runtime_rules.model_dump(mode="json"),
            "memory_rules": self.memory_rules.model_dump(mode="json"),
        }
        return json.dumps(tables, sort_keys=True)


class BudgetsFile(FileModel):
    """A whole `budgets.toml`."""

    version: Literal[1]
    """The version of the file format: 1."""
    defaults: Defaults = Defaults()
    """Settings for every image. An image's own settings override them."""
    images: Annotated[dict[ImageName, ImageSpec], Field(min_length=1, max_length=MOST_IMAGES)]
    """The images of the repository: a table [images.NAME] for each."""

    groups: dict[ImageName, Group] = {}
    """Images that share budgets, by the group's name."""
    exceptions: tuple[BudgetException, ...] = ()
    """Budgets that may be exceeded for a limited time."""
    cost: CostSettings | None = None
    """What memory costs where the images are deployed. If absent, no costs are shown."""
    manifests: Manifests = ()
    """What deploys the images: Kubernetes manifests, Helm charts, folders of Kustomize, compose files, ECS tasks. Their
    limits and requests are checked against what was measured.
    """
    manifest_rules: ManifestRules = ManifestRules()
    """The rules for manifests, and what happens if each is broken."""
    runtime_rules: RuntimeRules = RuntimeRules()
    """The rules for the settings of runtimes, and whether each is on."""
    memory_rules: MemoryRules = MemoryRules()
    """The rules for the use of memory, and whether each is on."""

    @property
    def members(self) -> int:
        """How many images the groups contain, counted once per group."""
        return sum(len(self.images if group.images is None else group.images) for group in self.groups.values())

    def resolved(self) -> Budgets:
        """Return every image with the defaults applied, and every group with the names of its images."""
        everything = tuple(self.images)
        groups = {
            name: group if group.images is not None else group.model_copy(update={"images": everything})
            for name, group in self.groups.items()
        }
        budgets = {image: group.budgets for group in groups.values() for image in group.images or ()}
        none = MetricBudgets()
        images = {
            name: image.with_defaults(self.defaults, budgets.get(name, none), self.cost)
            for name, image in self.images.items()
        }
        rules = self.manifest_rules, self.runtime_rules, self.memory_rules
        return Budgets(images, groups, self.exceptions, self.manifests, *rules)


def build_paths(image: ImageSpec) -> tuple[str, ...] | None:
    """Return the paths that the image is built from: build context, Dockerfile and the declared `paths`.

    Returns None if that is unknown.
    """
    if image.compose is not None or image.kubernetes is not None or image.build.bake is not None:
        return None  # what runs beside the image may change unnoticed; only buildx knows what bake builds from
    dockerfile = posixpath.join(image.build.context, image.build.dockerfile)
    return _normalised(image.build.context, dockerfile, *image.paths)


def measurement_paths(image: ImageSpec) -> tuple[str, ...]:
    """Return the paths of the files that the image's container and workload use."""
    settings, compose = image.container, image.compose
    of_compose = compose.named_files if compose is not None else ()
    return _normalised(*settings.env_files, *settings.volumes.values(), *image.workload.named_files, *of_compose)


def _normalised(*paths: str) -> tuple[str, ...]:
    return tuple(sorted({posixpath.normpath(path) for path in paths}))
