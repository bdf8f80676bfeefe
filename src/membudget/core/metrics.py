"""The metrics that membudget reports: names, units, precision, one-line definitions, and their values.

`docs/measurements.md` defines each of them in detail. Names are those of the field: see "Words" there.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from membudget.core.definition import (
    Aggregation,
    Better,
    BudgetKind,
    Counter,
    Definition,
    KernelMark,
    KernelSource,
    LargestSample,
    LastSamples,
    Unit,
)
from membudget.core.errors import brief
from membudget.core.files import Stored
from membudget.core.production import GaugeMoment, InProduction, ProductionMetric


class Metric(StrEnum):
    """A reported metric. The value of the member is its name in files."""

    definition: Definition

    def __new__(cls, name: str, definition: Definition) -> Self:  # noqa: D102
        member = str.__new__(cls, name)
        member._value_ = name
        member.definition = definition
        return member

    # fmt: off
    IMAGE_SIZE = "image_size", Definition(
        "image size", Unit.BYTES, "exact", Aggregation.CONSTANT,
        "sum of regular-file bytes in all layers, uncompressed",
        is_headline=True,
    )
    IMAGE_DOWNLOAD_SIZE = "image_download_size", Definition(
        "download size", Unit.BYTES, "exact", Aggregation.CONSTANT,
        "compressed bytes of all layers, as a registry stores them",
        key="Compressed bytes of all layers. If the engine stores plain layers, membudget compresses them for"
        " this budget: half a minute for each new GiB.",
        precision_notes="with `gzip -6` if the engine stores plain layers",
        is_silent_when_absent=True,
    )
    IMAGE_WASTE = "image_waste", Definition(
        "image waste", Unit.BYTES, "exact", Aggregation.CONSTANT,
        "bytes of regular files that a later layer removed, replaced or rewrote: they do not exist when the image runs",
        key="Bytes in layers that do not exist when the image runs.",
    )
    IMAGE_LAYERS = "image_layers", Definition(
        "layers", Unit.COUNT, "exact", Aggregation.CONSTANT,
        "number of layers, including those of the base image",
        key="Number of layers.", budget=BudgetKind.LAYERS,
    )
    PEAK_RSS = "peak_rss", Definition(
        "peak RSS", Unit.BYTES, "sampled, lower bound", Aggregation.MEDIAN,
        "largest sampled anonymous plus shared memory, which the kernel can free only by swapping or killing",
        LargestSample("rss_bytes"),
        key="Largest anonymous plus shared memory.",
        source=KernelSource(
            "leaf, sampled", "`memory.stat`: `total_rss + total_shmem`", "`memory.stat`: `anon + shmem`"
        ),
        precision_notes="certified by the kernel's mark",
        is_bounded_by_limit=True, is_headline=True,
        in_production=InProduction(ProductionMetric.RSS, GaugeMoment.PEAK, column="anon_bytes"),
    )
    PEAK_MEMORY = "peak_memory", Definition(
        "peak memory", Unit.BYTES, "exact, to 256 KiB a CPU", Aggregation.MEDIAN,
        "the kernel's own high-water mark, including page cache, kernel memory and the runtime's start",
        KernelMark(),
        key="The kernel's high-water mark, page cache included. Read docs/measurements.md before you set this budget.",
        source=KernelSource(
            "parent, once, after the container is gone", "`memory.max_usage_in_bytes`",
            "`memory.peak` (Linux 5.19 or newer)",
        ),
        is_bounded_by_limit=True,
        in_production=InProduction(ProductionMetric.MAX_USAGE),
    )
    PEAK_WORKING_SET = "peak_working_set", Definition(
        "peak working set", Unit.BYTES, "sampled, lower bound", Aggregation.MEDIAN,
        "largest sampled value of usage minus inactive file pages. A kubelet evicts by this value",
        LargestSample("working_set_bytes"),
        key="Largest usage minus inactive file pages.",
        source=KernelSource(
            "leaf, sampled", "`memory.usage_in_bytes − total_inactive_file`", "`memory.current − inactive_file`"
        ),
        is_bounded_by_limit=True,
        in_production=InProduction(ProductionMetric.WORKING_SET, GaugeMoment.PEAK),
    )
    SETTLED_RSS = "settled_rss", Definition(
        "settled RSS", Unit.BYTES, "sampled", Aggregation.MEDIAN,
        "RSS at the end of the settle time after the workload: memory that the service keeps",
        LastSamples("rss_bytes"),
        key="RSS after the workload and the settle time: memory that the service keeps.",
        is_bounded_by_limit=True,
    )
    SETTLED_WORKING_SET = "settled_working_set", Definition(
        "settled working set", Unit.BYTES, "sampled", Aggregation.MEDIAN,
        "usage minus inactive file pages at the end of the settle time: what a kubelet and a memory HPA see at rest",
        LastSamples("working_set_bytes"),
        key="Usage minus inactive file pages after the workload and the settle time.",
        is_bounded_by_limit=True,
        in_production=InProduction(ProductionMetric.WORKING_SET, GaugeMoment.SETTLED),
    )
    LIVE_HEAP = "live_heap", Definition(
        "live heap", Unit.BYTES, "the runtime's own figure", Aggregation.MEDIAN,
        "what a runtime keeps after a forced collection at the end of the trial (JVM, Node, CPython, Ruby)",
        key="What a runtime keeps after a forced collection at the end of the trial (JVM, Node, CPython, Ruby). It is"
        " measured only with a budget.",
        is_silent_when_absent=True,
    )
    SWAP_PEAK = "swap_peak", Definition(
        "swap peak", Unit.BYTES, "exact", Aggregation.MAXIMUM,
        "largest swap use; 0 with a limit, because a limit allows no swap",
        Counter("swap_peak"),
        key="Largest swap use. A limit allows no swap.",
        source=KernelSource(
            "v1: leaf, sampled; v2: parent, once", "`memory.stat`: `total_swap`",
            "`memory.swap.peak` (6.5), else `memory.swap.current`",
        ),
        precision_notes="`sampled, lower bound` on v1 and before Linux 6.5",
        in_production=InProduction(ProductionMetric.SWAP, GaugeMoment.PEAK),
    )
    OOM_KILLS = "oom_kills", Definition(
        "OOM kills", Unit.COUNT, "exact", Aggregation.MAXIMUM,
        "processes killed by the cgroup's OOM killer, even if PID 1 survives",
        key="Processes killed by the OOM killer. Default: `max = 0`.",
        source=KernelSource(
            "v1: leaf, sampled, and the kernel's log; v2: parent, once",
            "`memory.oom_control`: `oom_kill` (Linux 4.13 or newer)", "`memory.events`: `oom_kill`",
        ),
        precision_notes="`lower bound` if a kill may have been missed",
        in_production=InProduction(ProductionMetric.OOM_EVENTS),
    )
    MEMORY_PRESSURE = "memory_pressure", Definition(
        "memory pressure", Unit.MILLISECONDS, "exact", Aggregation.MEDIAN,
        "time in which a process waited for memory (PSI): reclaim at the limit, pages read again",
        Counter("stalled_us", divisor=1000),
        key="Time in which a process waited for memory (PSI). Not on cgroup v1.",
        source=KernelSource("parent, once", "absent: v1 has none", "`memory.pressure`: `some total`"),
        precision_notes="not on cgroup v1",
    )
    STARTUP_TIME = "startup_time", Definition(
        "startup time", Unit.MILLISECONDS, "timed, to 20 ms", Aggregation.MEDIAN,
        "time from the start of the container until it is ready",
        key="Time from the container's start until it is ready.",
    )
    CPU_SECONDS = "cpu_seconds", Definition(
        "CPU time", Unit.MILLISECONDS, "exact", Aggregation.MEDIAN,
        "CPU time of all processes, user and system, including the container runtime's start",
        Counter("cpu_usage_us", divisor=1000),
        key="CPU time of all processes.",
        source=KernelSource("parent, once", "`cpuacct.usage`", "`cpu.stat`: `usage_usec`"),
    )
    RSS_PER_CONNECTION = "rss_per_connection", Definition(
        "RSS per connection", Unit.BYTES, "estimated", Aggregation.ESTIMATE,
        "growth of RSS for each open idle connection, fitted while they are opened",
        key="RSS for each open idle connection. Needs requests with `connections` and a `ramp`.",
        budget=BudgetKind.UNIT_COST, precision_notes="with its 95 % interval", may_be_negative=True,
        is_silent_when_absent=True,
    )
    RSS_PER_STREAM = "rss_per_stream", Definition(
        "RSS per stream", Unit.BYTES, "estimated", Aggregation.ESTIMATE,
        "growth of RSS for each open response (stream), fitted while the number of streams rises",
        key="RSS for each response that is read slowly or for a limited time. Needs requests with `read_rate` or"
        " `read_for`, and a `ramp`.",
        budget=BudgetKind.UNIT_COST, precision_notes="with its 95 % interval", may_be_negative=True,
        is_silent_when_absent=True,
    )
    RSS_PER_1000_REQUESTS = "rss_per_1000_requests", Definition(
        "RSS per 1,000 requests", Unit.BYTES, "estimated", Aggregation.ESTIMATE,
        "growth of RSS for each 1,000 requests, fitted over the longest group of requests",
        key="RSS that 1,000 additional requests leave behind.",
        budget=BudgetKind.UNIT_COST, precision_notes="with its 95 % interval", may_be_negative=True,
        is_silent_when_absent=True,
    )
    REQUESTS_PER_SECOND = "requests_per_second", Definition(
        "throughput", Unit.PER_1000_SECONDS, "measured by the client", Aggregation.MEDIAN,
        "requests that were answered without an error in each second of the load",
        key="Requests a second that were answered without an error. Less is worse: `min` and `drop`.",
        better=Better.MORE, is_silent_when_absent=True,
    )
    REQUESTS_PER_GIB = "requests_per_gib", Definition(
        "throughput per GiB", Unit.PER_1000_SECONDS_AND_GIB, "sampled, upper bound", Aggregation.MEDIAN,
        "throughput, divided by the peak RSS of the load's phases in GiB",
        key="Requests a second for each GiB of peak RSS under load. Less is worse: `min` and `drop`.",
        precision_notes="as certain as peak RSS", better=Better.MORE, is_silent_when_absent=True,
    )
    LATENCY_P50 = "latency_p50", Definition(
        "latency p50", Unit.MICROSECONDS, "measured by the client", Aggregation.MEDIAN,
        "half of the requests were answered within this time",
        key="The time within which half of the requests were answered.", is_silent_when_absent=True,
    )
    LATENCY_P95 = "latency_p95", Definition(
        "latency p95", Unit.MICROSECONDS, "measured by the client", Aggregation.MEDIAN,
        "95 % of the requests were answered within this time",
        key="The time within which 95 % of the requests were answered.", is_silent_when_absent=True,
    )
    LATENCY_P99 = "latency_p99", Definition(
        "latency p99", Unit.MICROSECONDS, "measured by the client", Aggregation.MEDIAN,
        "99 % of the requests were answered within this time",
        key="The time within which 99 % of the requests were answered.", is_silent_when_absent=True,
    )
    POD_PEAK_RSS = "pod_peak_rss", Definition(
        "pod peak RSS", Unit.BYTES, "sampled, lower bound", Aggregation.MEDIAN,
        "largest sum of the RSS of the image's container and its sidecars at the same time",
        key="Largest RSS of the image and its sidecars together.",
        is_silent_when_absent=True,
    )
    # fmt: on


IMAGE_METRICS = tuple(metric for metric in Metric if metric.definition.aggregation is Aggregation.CONSTANT)
"""The metrics that are properties of the image."""
TRIAL_METRICS = tuple(metric for metric in Metric if metric not in IMAGE_METRICS)
"""The metrics that a trial measures."""
BOUNDED_BY_LIMIT = tuple(metric for metric in Metric if metric.definition.is_bounded_by_limit)
SILENT_WHEN_ABSENT = frozenset(metric for metric in Metric if metric.definition.is_silent_when_absent)
PEAKS = tuple(metric for metric in Metric if metric.definition.is_peak)
OF_REQUESTS = tuple(
    metric for metric in Metric if metric.definition.budget_kind in (BudgetKind.RATE, BudgetKind.LATENCY)
)
"""What only requests that membudget sends can measure."""
HEADLINES = tuple(metric for metric in Metric if metric.definition.is_headline)


@dataclass(frozen=True, slots=True)
class MetricValue(Stored):
    """The value of a metric, or the reason for its absence. An unknown value is never 0."""

    value: int | None
    unit: Unit
    precision: str
    """A sentence for people. It is stored as written."""
    reason: str | None = None
    """Why there is no value: a sentence for people, stored as written."""
    at_most: int | None = None
    """An upper bound of the true value, if the value is known to be a lower bound because a spike was missed."""
    interval: tuple[int, int] | None = None
    """The 95 % confidence interval of an estimate."""
    is_lower_bound: bool = False
    """Whether the true value may be higher without a known upper bound. `at_most` is None in that case."""
    is_less_precise: bool = False
    """Whether the value could not be measured as planned. `precision` then says how it was measured."""
    at_least: int | None = None
    """A lower bound of the true value, if the value is known to be an upper bound because a spike was missed."""

    def __post_init__(self) -> None:
        if self.reason is not None:
            object.__setattr__(self, "reason", brief(self.reason))
        object.__setattr__(self, "precision", brief(self.precision))

    @classmethod
    def of(
        cls,
        metric: Metric,
        value: int,
        precision: str | None = None,
        at_most: int | None = None,
        *,
        is_lower_bound: bool = False,
    ) -> "MetricValue":
        """Return a measured value, in the metric's unit. `precision` is None if it has the metric's usual one."""
        definition = metric.definition
        return cls(
            value,
            definition.unit,
            precision or definition.precision,
            at_most=at_most,
            is_lower_bound=is_lower_bound,
            is_less_precise=precision is not None,
        )

    def worst(self, metric: Metric) -> int | None:
        """Return the worst value of `metric` that the true one may be, as far as that is known. None if absent."""
        bound = self.at_most if metric.definition.better is Better.LESS else self.at_least
        return bound if bound is not None else self.value

    @property
    def lesser_precision(self) -> str | None:
        """The precision, if it is less than the metric's usual one."""
        return self.precision if self.is_less_precise else None

    @classmethod
    def estimate(cls, metric: Metric, value: int, low: int, high: int) -> "MetricValue":
        """Return a fitted value of `metric` with its 95 % confidence interval."""
        definition = metric.definition
        return cls(value, definition.unit, definition.precision, interval=(low, high))

    @classmethod
    def absent(cls, metric: Metric, reason: str) -> "MetricValue":
        """Return the absence of a value, with its `reason`."""
        definition = metric.definition
        return cls(None, definition.unit, definition.precision, reason)
