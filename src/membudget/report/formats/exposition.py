"""Families of metrics and their samples, and the two texts by which Prometheus and others take them.

Sources: the OpenMetrics specification 1.0 (prometheus/OpenMetrics): base units, the unit as the name's last word,
families in one piece, `# EOF` last. Prometheus' own text format 0.0.4 ("Exposition formats" in its documentation): it
knows neither units nor info and state sets, and names a counter with its `_total`. The Pushgateway and
`promtool check metrics` take only this one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from membudget.core.definition import Unit
from membudget.core.metrics import Metric
from membudget.core.production import ProductionMetric

PREFIX = "membudget"
JOB = "membudget"
"""The label `job` of figures from CI, where production's have the same name."""
_TOTAL = "_total"
UNITS = {
    Unit.BYTES: "bytes",
    Unit.COUNT: "",
    Unit.MILLISECONDS: "seconds",
    Unit.MICROSECONDS: "seconds",
    Unit.PER_1000_SECONDS: "per_second",
    Unit.PER_1000_SECONDS_AND_GIB: "per_gib",
}
"""The unit as OpenMetrics names it. The names of rates end in it, so that it is not added to them."""


class FamilyKind(StrEnum):
    """The type of a family, as OpenMetrics names it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"
    STATE_SET = "stateset"


_SUFFIXES = {FamilyKind.GAUGE: "", FamilyKind.COUNTER: _TOTAL, FamilyKind.INFO: "_info", FamilyKind.STATE_SET: ""}
"""What the names of a family's samples have in addition to the family's name."""


@dataclass(frozen=True, slots=True)
class SeriesSample:
    """A value of a series."""

    labels: Mapping[str, str]
    value: str
    """The number as it is written."""
    time_s: int | None = None
    """Seconds since the epoch. None: when it is scraped or pushed."""


@dataclass(slots=True)
class Family:
    """A metric family and its samples."""

    name: str
    """The name, including the unit, and without the suffix of its samples."""
    kind: FamilyKind
    unit: str
    help: str
    samples: list[SeriesSample] = field(default_factory=list)

    @property
    def sample_name(self) -> str:
        """The name of its samples."""
        return self.name + _SUFFIXES[self.kind]

    def add(self, value: str, labels: Mapping[str, str], time_s: int | None = None) -> None:
        """Add a sample."""
        self.samples.append(SeriesSample(labels, value, time_s))


def metric_family(prefix: str, metric: Metric, words: str) -> Family:
    """Return the family of one of membudget's metrics, without samples."""
    unit = UNITS[metric.definition.unit]
    name = metric.value if not unit or metric.value.endswith(f"_{unit}") else f"{metric.value}_{unit}"
    return Family(f"{prefix}_{name}", FamilyKind.GAUGE, unit, words)


def figure(unit: Unit, value: int) -> str:
    """Return a value in the base unit: bytes, seconds, or a number."""
    match unit:
        case Unit.BYTES | Unit.COUNT:
            return str(value)
        case Unit.MICROSECONDS:
            return f"{value / 1_000_000:.6f}"
        case Unit.MILLISECONDS | Unit.PER_1000_SECONDS | Unit.PER_1000_SECONDS_AND_GIB:
            return f"{value / 1000:.3f}"


def production_family(metric: ProductionMetric) -> Family:
    """Return the family of one of production's metrics, without samples."""
    kind = FamilyKind.COUNTER if metric.is_counter else FamilyKind.GAUGE
    return Family(metric.removesuffix(_TOTAL), kind, metric.unit, f"{metric.summary.replace('`', '')}; from CI")


def openmetrics(families: Iterable[Family]) -> str:
    """Return families as OpenMetrics. Those without samples are left out."""
    lines = [line for family in families if family.samples for line in _openmetrics(family)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _openmetrics(family: Family) -> Iterator[str]:
    yield f"# TYPE {family.name} {family.kind}"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}"
    yield f"# HELP {family.name} {escaped(family.help)}"
    for sample in family.samples:
        yield _line(family, sample, 1)


def plain_text(families: Iterable[Family]) -> str:
    """Return families in Prometheus' own text format. Those without samples are left out."""
    return "".join(f"{line}\n" for family in families if family.samples for line in _plain_text(family))


def _plain_text(family: Family) -> Iterator[str]:
    yield f"# HELP {family.sample_name} {escaped(family.help, is_label=False)}"
    yield f"# TYPE {family.sample_name} {FamilyKind.COUNTER if family.kind is FamilyKind.COUNTER else FamilyKind.GAUGE}"
    for sample in family.samples:
        yield _line(family, sample, 1000)


def _line(family: Family, sample: SeriesSample, times_a_second: int) -> str:
    shown = ",".join(f'{name}="{escaped(text)}"' for name, text in sample.labels.items())
    labels = f"{{{shown}}}" if shown else ""
    time = f" {sample.time_s * times_a_second}" if sample.time_s is not None else ""
    return f"{family.sample_name}{labels} {sample.value}{time}"


def escaped(text: str, *, is_label: bool = True) -> str:
    """Return text as a label's value, or as a family's help."""
    kept = text.replace("\\", "\\\\").replace("\n", "\\n")
    return kept.replace('"', '\\"') if is_label else kept
