"""The metrics membudget reports: their names, units, precision and one-line definitions, and how values are written.

`docs/measurements.md` defines each at length. Names are the field's: see "Words" there.
"""

from dataclasses import dataclass
from enum import StrEnum

from membudget.core.errors import brief
from membudget.core.quantities import format_duration, format_size, format_size_delta, format_size_spread
from membudget.core.stored import Stored


class Metric(StrEnum):
    """A reported value. The member's value is its name in files."""

    IMAGE_SIZE = "image_size"
    IMAGE_DOWNLOAD_SIZE = "image_download_size"
    IMAGE_WASTE = "image_waste"
    IMAGE_LAYERS = "image_layers"
    PEAK_RSS = "peak_rss"
    PEAK_MEMORY = "peak_memory"
    PEAK_WORKING_SET = "peak_working_set"
    SETTLED_RSS = "settled_rss"
    SWAP_PEAK = "swap_peak"
    OOM_KILLS = "oom_kills"
    MEMORY_PRESSURE = "memory_pressure"
    STARTUP_TIME = "startup_time"
    CPU_SECONDS = "cpu_seconds"
    RSS_PER_CONNECTION = "rss_per_connection"
    RSS_PER_STREAM = "rss_per_stream"
    RSS_PER_1000_REQUESTS = "rss_per_1000_requests"
    POD_PEAK_RSS = "pod_peak_rss"


class Unit(StrEnum):
    """What a metric's integer counts."""

    BYTES = "bytes"
    COUNT = "count"
    MILLISECONDS = "milliseconds"


class Aggregation(StrEnum):
    """How the trials of one side become one value."""

    CONSTANT = "constant"
    """A property of the image: the same in every trial."""
    MEDIAN = "median"
    MAXIMUM = "maximum"
    """The worst trial counts: one OOM kill in three trials is an OOM kill."""
    ESTIMATE = "estimate"
    """Fitted in each trial: the mean, with its interval over the trials."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric is."""

    label: str
    unit: Unit
    precision: str
    """How near the truth a value is when it could be had as planned; a reading may state a lesser one."""
    aggregation: Aggregation
    summary: str
    may_be_negative: bool = False
    """Whether values below zero are possible: of growth that is fitted, which may be a fall."""
    is_bounded_by_limit: bool = False
    """Whether the memory limit is the most it can be."""
    is_silent_when_absent: bool = False
    """Only some workloads or image stores have it: where nobody set a budget, its absence is no news."""
    is_headline: bool = False
    """Whether the headline tells its change, even where the metric has no budget."""


DEFINITIONS: dict[Metric, Definition] = {
    Metric.IMAGE_SIZE: Definition(
        "image size", Unit.BYTES, "exact", Aggregation.CONSTANT,
        "sum of regular-file bytes over all layers, uncompressed",
        is_headline=True,
    ),
    Metric.IMAGE_DOWNLOAD_SIZE: Definition(
        "download size", Unit.BYTES, "exact", Aggregation.CONSTANT,
        "compressed bytes of all layers, as a registry stores them",
        is_silent_when_absent=True,
    ),
    Metric.IMAGE_WASTE: Definition(
        "image waste", Unit.BYTES, "exact", Aggregation.CONSTANT,
        "regular-file bytes of layers that are not there when the image runs: removed, replaced or rewritten later",
    ),
    Metric.IMAGE_LAYERS: Definition(
        "layers", Unit.COUNT, "exact", Aggregation.CONSTANT,
        "how many layers the image has, those of its base among them",
    ),
    Metric.PEAK_RSS: Definition(
        "peak RSS", Unit.BYTES, "sampled, lower bound", Aggregation.MEDIAN,
        "largest sampled anonymous plus shared memory: what only swap or a kill gives back",
        is_bounded_by_limit=True, is_headline=True,
    ),
    Metric.PEAK_MEMORY: Definition(
        "peak memory", Unit.BYTES, "exact, to 256 KiB a CPU", Aggregation.MEDIAN,
        "the kernel's own high-water mark, with page cache, kernel memory and the runtime's start",
        is_bounded_by_limit=True,
    ),
    Metric.PEAK_WORKING_SET: Definition(
        "peak working set", Unit.BYTES, "sampled, lower bound", Aggregation.MEDIAN,
        "largest sampled usage minus inactive file pages: what a kubelet evicts on",
        is_bounded_by_limit=True,
    ),
    Metric.SETTLED_RSS: Definition(
        "settled RSS", Unit.BYTES, "sampled", Aggregation.MEDIAN,
        "RSS at the end of the settle time after the workload: what is kept",
        is_bounded_by_limit=True,
    ),
    Metric.SWAP_PEAK: Definition(
        "swap peak", Unit.BYTES, "exact", Aggregation.MAXIMUM,
        "largest swap use: zero under a limit, which allows none",
    ),
    Metric.OOM_KILLS: Definition(
        "OOM kills", Unit.COUNT, "exact", Aggregation.MAXIMUM,
        "processes killed by the cgroup's OOM killer, also when PID 1 lives on",
    ),
    Metric.MEMORY_PRESSURE: Definition(
        "memory pressure", Unit.MILLISECONDS, "exact", Aggregation.MEDIAN,
        "time in which some process waited for memory (PSI): reclaim at the limit, pages read again",
    ),
    Metric.STARTUP_TIME: Definition(
        "startup time", Unit.MILLISECONDS, "timed, to 20 ms", Aggregation.MEDIAN,
        "from the start of the container until it is ready",
    ),
    Metric.CPU_SECONDS: Definition(
        "CPU time", Unit.MILLISECONDS, "exact", Aggregation.MEDIAN,
        "CPU time of all processes, user and system, with the container runtime's start",
    ),
    Metric.RSS_PER_CONNECTION: Definition(
        "RSS per connection", Unit.BYTES, "estimated", Aggregation.ESTIMATE,
        "growth of RSS with each connection that is held open, fitted while they are opened",
        may_be_negative=True, is_silent_when_absent=True,
    ),
    Metric.RSS_PER_STREAM: Definition(
        "RSS per stream", Unit.BYTES, "estimated", Aggregation.ESTIMATE,
        "growth of RSS with each answer that is read slowly or for a time, fitted over their ramp",
        may_be_negative=True, is_silent_when_absent=True,
    ),
    Metric.RSS_PER_1000_REQUESTS: Definition(
        "RSS per 1,000 requests", Unit.BYTES, "estimated", Aggregation.ESTIMATE,
        "growth of RSS with 1,000 requests more, fitted over the longest group of them",
        may_be_negative=True, is_silent_when_absent=True,
    ),
    Metric.POD_PEAK_RSS: Definition(
        "pod peak RSS", Unit.BYTES, "sampled, lower bound", Aggregation.MEDIAN,
        "largest sum of the RSS of the image's container and its sidecars at one time",
        is_silent_when_absent=True,
    ),
}  # fmt: skip


BOUNDED_BY_LIMIT = tuple(metric for metric, one in DEFINITIONS.items() if one.is_bounded_by_limit)
SILENT_WHEN_ABSENT = frozenset(metric for metric, one in DEFINITIONS.items() if one.is_silent_when_absent)
HEADLINES = tuple(metric for metric, one in DEFINITIONS.items() if one.is_headline)


@dataclass(frozen=True, slots=True)
class MetricValue(Stored):
    """One value, or the reason why there is none. Never 0 for "unknown"."""

    value: int | None
    unit: Unit
    precision: str
    reason: str | None = None
    at_most: int | None = None
    """What the truth may be as high as, where the value is known to be a lower bound: a spike was missed."""
    interval: tuple[int, int] | None = None
    """The 95 % confidence interval of an estimate."""
    is_lower_bound: bool = False
    """Whether the truth may be higher, and nothing says how high. `at_most` is not set then."""

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
        """A measured value of `metric`, in the metric's unit."""
        definition = DEFINITIONS[metric]
        precision = precision or definition.precision
        return cls(value, definition.unit, precision, at_most=at_most, is_lower_bound=is_lower_bound)

    @classmethod
    def estimate(cls, metric: Metric, value: int, low: int, high: int) -> "MetricValue":
        """A fitted value of `metric` and its 95 % confidence interval."""
        definition = DEFINITIONS[metric]
        return cls(value, definition.unit, definition.precision, interval=(low, high))

    @classmethod
    def absent(cls, metric: Metric, reason: str) -> "MetricValue":
        """The value could not be had, for `reason`."""
        definition = DEFINITIONS[metric]
        return cls(None, definition.unit, definition.precision, reason)


def format_value(metric: Metric, value: int) -> str:
    """A value of `metric` for people, with its unit."""
    match DEFINITIONS[metric].unit:
        case Unit.BYTES:
            return format_size(value)
        case Unit.MILLISECONDS:
            return format_duration(value)
        case Unit.COUNT:
            return str(value)


def format_reading(metric: Metric, reading: MetricValue) -> str:
    """A value, or that there is none; an estimate with its margin: "38.2 KiB ± 0.3 KiB"."""
    if reading.value is None:
        return "not measured"
    value = format_value(metric, reading.value)
    if reading.is_lower_bound:
        return f"at least {value}"
    if reading.interval is None:
        return value
    low, high = reading.interval
    return f"{value} ± {format_value(metric, round((high - low) / 2))}"


def format_delta(metric: Metric, delta: int) -> str:
    """A change of `metric` for people, signed."""
    match DEFINITIONS[metric].unit:
        case Unit.BYTES:
            return format_size_delta(delta)
        case Unit.MILLISECONDS:
            sign = "-" if delta < 0 else "+" if delta else ""
            return f"{sign}{format_duration(abs(delta))}"
        case Unit.COUNT:
            return f"{delta:+d}" if delta else "0"


def format_spread(metric: Metric, delta: int, margin: int) -> str:
    """A change of `metric` and how far it may be off: "+4.0 ± 0.3 MiB"."""
    if DEFINITIONS[metric].unit is Unit.BYTES:
        return format_size_spread(delta, margin)
    return f"{format_delta(metric, delta)} ± {format_value(metric, margin)}"
