"""The report as metrics, for databases of figures over time: a gauge per metric, labelled by image and side.

The values are those that the verdict is based on. Missing values are left out.
"""

import re
from collections.abc import Iterable, Iterator

from membudget.core.definition import Unit
from membudget.core.metrics import Metric
from membudget.judge.bounds import fixed_bounds, tightest
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Row, Verdict
from membudget.judge.values import phase_values
from membudget.judge.whole import Judgement
from membudget.report.formats.exposition import (
    PREFIX,
    UNITS,
    Family,
    FamilyKind,
    figure,
    metric_family,
    openmetrics,
    plain_text,
)
from membudget.report.formats.production_names import production_families
from membudget.report.report import JudgedReport, Report

_PLAIN = re.compile(r"[^\w.+-]", re.ASCII)


def render(result: JudgedReport) -> str:
    """Return the whole report as OpenMetrics."""
    return openmetrics(families(result))


def render_plain(result: JudgedReport) -> str:
    """Return the whole report in Prometheus' own text format."""
    return plain_text(families(result))


def families(result: JudgedReport) -> list[Family]:
    """Return the families of a report, with their samples."""
    whole = [_about(result.report), _duration(result.report), _verdict(result.judgement)]
    return [*whole, *_images(result), *production_families(result.report)]


def _about(report: Report) -> Family:
    family = Family(f"{PREFIX}_report", FamilyKind.INFO, "", "what was compared, and by which version of membudget")
    base = report.comparison.base
    labels = {"version": _PLAIN.sub("_", report.membudget_version), "head": report.comparison.head.sha}
    family.add("1", labels | ({"base": base.sha} if base is not None else {}))
    return family


def _duration(report: Report) -> Family:
    family = Family(f"{PREFIX}_check_duration_seconds", FamilyKind.GAUGE, "seconds", "how long the check took")
    family.add(figure(Unit.MILLISECONDS, report.duration_ms), {})
    return family


def _verdict(judgement: Judgement) -> Family:
    family = Family(f"{PREFIX}_verdict", FamilyKind.STATE_SET, "", "the verdict on the whole")
    _add_state(family, judgement.verdict, {})
    return family


def _images(result: JudgedReport) -> Iterator[Family]:
    verdicts = Family(f"{PREFIX}_image_verdict", FamilyKind.STATE_SET, "", "the verdict on an image")
    for judged in result.judgement.images:
        _add_state(verdicts, judged.verdict, {"image": judged.name})
    limits = Family(f"{PREFIX}_limit_bytes", FamilyKind.GAUGE, "bytes", "the memory limit that the kernel enforces")
    trials = Family(f"{PREFIX}_trials", FamilyKind.GAUGE, "", "measured trials, without the discarded warm-up")
    for image in result.report.images:
        limits.add(str(image.limit_bytes), {"image": image.name})
        for name, side in (("base", image.base), ("head", image.head)):
            if side is not None:
                trials.add(str(len(side.trials)), {"image": image.name, "side": name})
    yield from (verdicts, limits, trials)
    yield from (_values(metric, result.report.images) for metric in Metric)
    rows = [({"image": image.name}, row) for image in result.judgement.images for row in image.all_rows]
    rows += [({"group": group.name}, row) for group in result.judgement.groups for row in group.rows]
    for unit in dict.fromkeys(UNITS.values()):
        yield _of_rows("budget", unit, "the lowest absolute maximum that a budget sets, or a minimum", rows)
        yield _of_rows(
            "headroom", unit, "what is left until the nearest budget breaks, negative when it is broken", rows
        )


def _values(metric: Metric, images: Iterable[ImageMeasurement]) -> Family:
    definition = metric.definition
    family = metric_family(PREFIX, metric, definition.summary)
    for image in images:
        for side_name, side in (("base", image.base), ("head", image.head)):
            labels = {"image": image.name, "side": side_name}
            value = side.metrics[metric].value if side is not None else None
            if value is not None:
                family.add(figure(definition.unit, value), labels)
            for (phase, of_phase), found in phase_values(side).items():
                if of_phase is metric and found.value is not None:
                    family.add(figure(definition.unit, found.value), labels | {"phase": phase})
    return family


def _of_rows(what: str, unit: str, words: str, rows: Iterable[tuple[dict[str, str], Row]]) -> Family:
    family = Family(f"{PREFIX}_{what}{f'_{unit}' if unit else ''}", FamilyKind.GAUGE, unit, words)
    for subject, row in rows:
        bound = tightest(fixed_bounds(row.budget))
        value = row.headroom if what == "headroom" else bound.level if bound is not None else None
        if value is not None and UNITS[row.metric.definition.unit] == unit:
            labels = subject | {"metric": row.metric.value} | ({"phase": row.phase} if row.phase is not None else {})
            labels |= {"since": row.since} if row.since is not None else {}
            family.add(figure(row.metric.definition.unit, value), labels)
    return family


def _add_state(family: Family, verdict: Verdict, labels: dict[str, str]) -> None:
    for state in Verdict:
        family.add(str(int(state is verdict)), labels | {family.name: state.value})
