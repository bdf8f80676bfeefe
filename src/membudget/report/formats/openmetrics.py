"""The report as OpenMetrics text, for databases of figures over time: a gauge per metric, labelled by image and side.

Source: the OpenMetrics specification 1.0 (prometheus/OpenMetrics): base units, the unit as the name's last word,
families in one piece, `# EOF` last. The values are those that the verdict is based on. Missing values are left out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from membudget.core.definition import Unit
from membudget.core.metrics import Metric
from membudget.judge.bounds import fixed_bounds, tightest
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Row, Verdict
from membudget.judge.values import phase_values
from membudget.judge.whole import Judgement
from membudget.report.report import JudgedReport, Report

_PREFIX = "membudget"
_UNITS = {
    Unit.BYTES: "bytes",
    Unit.COUNT: "",
    Unit.MILLISECONDS: "seconds",
    Unit.MICROSECONDS: "seconds",
    Unit.PER_1000_SECONDS: "per_second",
    Unit.PER_1000_SECONDS_AND_GIB: "per_gib",
}
"""The unit as OpenMetrics names it. The names of rates end in it, so that it is not added to them."""
_PLAIN = re.compile(r"[^\w.+-]", re.ASCII)


@dataclass(slots=True)
class _Family:
    """A metric family and its samples."""

    name: str
    """The name, including the unit."""
    kind: str
    unit: str
    help: str
    samples: list[str] = field(default_factory=list)

    def add(self, value: str, labels: Mapping[str, str], suffix: str = "") -> None:
        """Add a sample."""
        shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        self.samples.append(f"{self.name}{suffix}{{{shown}}} {value}" if shown else f"{self.name}{suffix} {value}")

    def lines(self) -> Iterator[str]:
        """Yield the lines of the family. None for a family without samples."""
        if self.samples:
            yield f"# TYPE {self.name} {self.kind}"
            if self.unit:
                yield f"# UNIT {self.name} {self.unit}"
            yield f"# HELP {self.name} {_escaped(self.help)}"
            yield from self.samples


def render(result: JudgedReport) -> str:
    """Return the whole report as text."""
    families = [_about(result.report), _duration(result.report), _verdict(result.judgement), *_images(result)]
    lines = [line for family in families for line in family.lines()]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _about(report: Report) -> _Family:
    family = _Family(f"{_PREFIX}_report", "info", "", "what was compared, and by which version of membudget")
    base = report.comparison.base
    labels = {"version": _PLAIN.sub("_", report.membudget_version), "head": report.comparison.head.sha}
    family.add("1", labels | ({"base": base.sha} if base is not None else {}), "_info")
    return family


def _duration(report: Report) -> _Family:
    family = _Family(f"{_PREFIX}_check_duration_seconds", "gauge", "seconds", "how long the check took")
    family.add(_figure(Unit.MILLISECONDS, report.duration_ms), {})
    return family


def _verdict(judgement: Judgement) -> _Family:
    family = _Family(f"{_PREFIX}_verdict", "stateset", "", "the verdict on the whole")
    _add_state(family, judgement.verdict, {})
    return family


def _images(result: JudgedReport) -> Iterator[_Family]:
    verdicts = _Family(f"{_PREFIX}_image_verdict", "stateset", "", "the verdict on an image")
    for judged in result.judgement.images:
        _add_state(verdicts, judged.verdict, {"image": judged.name})
    limits = _Family(f"{_PREFIX}_limit_bytes", "gauge", "bytes", "the memory limit that the kernel enforces")
    trials = _Family(f"{_PREFIX}_trials", "gauge", "", "measured trials, without the discarded warm-up")
    for image in result.report.images:
        limits.add(str(image.limit_bytes), {"image": image.name})
        for name, side in (("base", image.base), ("head", image.head)):
            if side is not None:
                trials.add(str(len(side.trials)), {"image": image.name, "side": name})
    yield from (verdicts, limits, trials)
    yield from (_values(metric, result.report.images) for metric in Metric)
    rows = [({"image": image.name}, row) for image in result.judgement.images for row in image.all_rows]
    rows += [({"group": group.name}, row) for group in result.judgement.groups for row in group.rows]
    for unit in dict.fromkeys(_UNITS.values()):
        yield _of_rows("budget", unit, "the lowest absolute maximum that a budget sets, or a minimum", rows)
        yield _of_rows(
            "headroom", unit, "what is left until the nearest budget breaks, negative when it is broken", rows
        )


def _values(metric: Metric, images: Iterable[ImageMeasurement]) -> _Family:
    definition = metric.definition
    unit = _UNITS[definition.unit]
    name = metric.value if not unit or metric.value.endswith(f"_{unit}") else f"{metric.value}_{unit}"
    family = _Family(f"{_PREFIX}_{name}", "gauge", unit, definition.summary)
    for image in images:
        for side_name, side in (("base", image.base), ("head", image.head)):
            labels = {"image": image.name, "side": side_name}
            value = side.metrics[metric].value if side is not None else None
            if value is not None:
                family.add(_figure(definition.unit, value), labels)
            for (phase, of_phase), found in phase_values(side).items():
                if of_phase is metric and found.value is not None:
                    family.add(_figure(definition.unit, found.value), labels | {"phase": phase})
    return family


def _of_rows(what: str, unit: str, words: str, rows: Iterable[tuple[dict[str, str], Row]]) -> _Family:
    family = _Family(f"{_PREFIX}_{what}{f'_{unit}' if unit else ''}", "gauge", unit, words)
    for subject, row in rows:
        bound = tightest(fixed_bounds(row.budget))
        value = row.headroom if what == "headroom" else bound.level if bound is not None else None
        if value is not None and _UNITS[row.metric.definition.unit] == unit:
            labels = subject | {"metric": row.metric.value} | ({"phase": row.phase} if row.phase is not None else {})
            labels |= {"since": row.since} if row.since is not None else {}
            family.add(_figure(row.metric.definition.unit, value), labels)
    return family


def _add_state(family: _Family, verdict: Verdict, labels: dict[str, str]) -> None:
    for state in Verdict:
        family.add(str(int(state is verdict)), labels | {family.name: state.value})


def _figure(unit: Unit, value: int) -> str:
    match unit:
        case Unit.BYTES | Unit.COUNT:
            return str(value)
        case Unit.MICROSECONDS:
            return f"{value / 1_000_000:.6f}"
        case Unit.MILLISECONDS | Unit.PER_1000_SECONDS | Unit.PER_1000_SECONDS_AND_GIB:
            return f"{value / 1000:.3f}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
