"""What is allowed: a limit the kernel enforces and budgets we judge by, for each image.

These models are `budgets.toml` one to one: `budgets.example.toml` shows every key, `membudget schema` prints them.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from membudget.budgets.compose import ComposeSettings
from membudget.budgets.container import ContainerSettings
from membudget.budgets.fields import (
    AnyPhaseLabel,
    DurationMs,
    FileModel,
    ImageName,
    NonEmpty,
    Percent,
    Platform,
    SizeBytes,
    not_allowed,
)
from membudget.budgets.workload import CommandWorkload, Workload
from membudget.metrics import Metric

LeakPolicy = Literal["advise", "fail"]


class Growth(FileModel):
    """Tolerance: growth allowed over base. Both parts must be exceeded to count."""

    percent: Percent
    """Growth over base in percent."""
    floor: SizeBytes
    """Growth in bytes below which no percentage matters."""


class SizeBudget(FileModel):
    """A budget for a metric in bytes."""

    max: SizeBytes | None = None
    """The most it may be."""
    growth: Growth | None = None
    """The most it may grow over base."""


class CountBudget(FileModel):
    """A budget for a metric that counts."""

    max: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] | None = None
    """The most it may be."""


class DurationBudget(FileModel):
    """A budget for a metric in time."""

    max: DurationMs | None = None
    """The most it may be."""


Budget = SizeBudget | CountBudget | DurationBudget


def _as_budget(value: object) -> object:
    return {"max": value} if isinstance(value, str) else value


UnitCost = Annotated[SizeBudget, BeforeValidator(_as_budget, json_schema_input_type=SizeBytes | SizeBudget)]
"""Written "64KiB", or as a table."""


class MetricBudgets(FileModel):
    """The budgets of an image, by metric. A metric without one is reported, not judged."""

    image_size: SizeBudget = SizeBudget()
    """Sum of regular-file bytes over all layers, uncompressed."""
    peak_rss: SizeBudget = SizeBudget()
    """Largest anonymous plus shared memory."""
    peak_memory: SizeBudget = SizeBudget()
    """The kernel's high-water mark, page cache included: read docs/measurements.md before gating on it."""
    peak_working_set: SizeBudget = SizeBudget()
    """Largest usage minus inactive file pages."""
    settled_rss: SizeBudget = SizeBudget()
    """RSS after the workload and the settle time: what a service keeps."""
    swap_peak: SizeBudget = SizeBudget()
    """Largest swap use: none under a limit."""
    oom_kills: CountBudget = CountBudget()
    """Processes killed by the OOM killer. `max = 0` unless said otherwise."""
    memory_pressure: DurationBudget = DurationBudget()
    """Time in which some process waited for memory (PSI; not on cgroup v1)."""
    startup_time: DurationBudget = DurationBudget()
    """From the container's start until it is ready."""
    cpu_seconds: DurationBudget = DurationBudget()
    """CPU time of all processes."""
    rss_per_connection: UnitCost = SizeBudget()
    """RSS for each connection that is held open; needs requests with `connections` and a `ramp`."""
    rss_per_stream: UnitCost = SizeBudget()
    """RSS for each answer that is read slowly or for a time; needs requests with `read_rate` or `read_for`, and a
    `ramp`."""
    rss_per_1000_requests: UnitCost = SizeBudget()
    """RSS that 1,000 requests more leave behind."""
    pod_peak_rss: SizeBudget = SizeBudget()
    """Largest RSS of the image and its sidecars together."""

    def of(self, metric: Metric) -> Budget:
        """The budget of `metric`; an empty one where none is set."""
        budget: Budget = getattr(self, metric.value)
        return budget

    def over(self, defaults: "MetricBudgets") -> "MetricBudgets":
        """These budgets, with `defaults` for each key that is not set here."""
        merged = {
            name: getattr(defaults, name).model_copy(update=_set_keys(getattr(self, name)))
            for name in MetricBudgets.model_fields
        }
        return MetricBudgets.model_construct(**merged)


class PhaseBudgets(FileModel):
    """One phase: whether it is judged, and the budgets of its own."""

    judged: bool = True
    """Whether its peaks count to those of the whole trial: not in a warm-up, say. OOM kills count in any case."""
    peak_rss: SizeBudget = SizeBudget()
    """Largest anonymous plus shared memory of the phase."""
    peak_memory: SizeBudget = SizeBudget()
    """The kernel's high-water mark of the phase, page cache included."""

    @model_validator(mode="after")
    def _no_budget_of_what_is_not_judged(self) -> Self:
        if not self.judged and self.model_fields_set - {"judged"}:
            raise not_allowed("true for a phase with budgets of its own")
        return self


NO_OOM_KILLS = MetricBudgets(oom_kills=CountBudget(max=0))


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


class Defaults(FileModel):
    """What holds for every image that does not say otherwise."""

    limit: SizeBytes | None = None
    timeout: DurationMs | None = None
    settle: DurationMs | None = None
    trials: Annotated[int, Field(ge=1, le=100, strict=True)] | None = None
    leak: LeakPolicy | None = None
    container: ContainerSettings = ContainerSettings()
    budgets: MetricBudgets = MetricBudgets()


class ImageSpec(FileModel):
    """One image of the repository: how it is built, exercised, limited and judged."""

    build: Build = Build()
    limit: SizeBytes | None = None
    """The memory limit of the container, swap included: `memory.max`. The kernel kills beyond it."""
    timeout: DurationMs = 60_000
    """Wall-clock time a trial may take, without the settle time."""
    settle: DurationMs = 1000
    """How long a service is watched after its workload: `settled_rss` is what it then keeps."""
    trials: Annotated[int, Field(ge=1, le=100, strict=True)] = 3
    """Measured trials a side, after one discarded warm-up."""
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

    def with_defaults(self, defaults: Defaults) -> "ImageSpec":
        """This image, with `defaults` for what it does not say."""
        inherited = {
            key: getattr(defaults, key)
            for key in ("limit", "timeout", "settle", "trials", "leak")
            if key not in self.model_fields_set and getattr(defaults, key) is not None
        }
        budgets = self.budgets.over(defaults.budgets.over(NO_OOM_KILLS))
        container = defaults.container.model_copy(update=_set_keys(self.container))
        return self.model_copy(update={**inherited, "budgets": budgets, "container": container})


class BudgetsFile(FileModel):
    """A whole `budgets.toml`."""

    version: Literal[1]
    """The version of this file's format: 1."""
    defaults: Defaults = Defaults()
    images: Annotated[dict[ImageName, ImageSpec], Field(min_length=1)]
    """The images of the repository, by name."""

    def resolved(self) -> dict[str, ImageSpec]:
        """Every image with the defaults applied."""
        return {name: image.with_defaults(self.defaults) for name, image in self.images.items()}


def _set_keys(table: FileModel) -> dict[str, object]:
    return {key: getattr(table, key) for key in table.model_fields_set}
