"""How to accept what is over budget: the keys to raise, the exception to paste, and the label that approves either."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from membudget.budgets.loosening import Approval
from membudget.budgets.rules import Tolerance
from membudget.budgets.suggested import as_written, duration_as_written, latency_as_written, rate_as_written
from membudget.core.definition import Better, Unit
from membudget.core.metrics import Metric
from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.acceptance import Acceptance, group_acceptances, image_acceptances
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.whole import GroupJudgement
from membudget.report.findings import Finding, FindingKind
from membudget.report.report import JudgedReport, LooserRules
from membudget.report.row_words import Parts

_DAYS = 30
"""How long a proposed exception lasts."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
EXCEPTIONS_TITLE = "Temporary exceptions to paste into budgets.toml"


def keys_of_image(image: ImageMeasurement, judged: ImageJudgement) -> tuple[str, ...]:
    """Return the keys under which the image's figures pass, as lines of TOML."""
    return tuple(
        line for one in image_acceptances(image, judged.rows) for line in _lines(_image_table(image, one), one)
    )


def keys_of_group(group: GroupJudgement) -> tuple[str, ...]:
    """Return the keys under which the group's sums pass, as lines of TOML."""
    table = ("groups", group.name, "total")
    return tuple(line for one in group_acceptances(group.rows) for line in _lines((*table, one.metric.value), one))


def exception_lines(
    image: ImageMeasurement, judged: ImageJudgement, started_at: datetime, looser: LooserRules
) -> tuple[str, ...]:
    """Return exceptions under which the image's figures pass, as lines of TOML. Empty if none would help.

    They last for a month after the check started.
    """
    until = date.fromordinal(min(started_at.date().toordinal() + _DAYS, date.max.toordinal())).isoformat()
    lines: list[str] = []
    acceptances = image_acceptances(image, judged.rows)
    if _raised_already(image, acceptances, looser):
        return ()
    for one in acceptances:
        if one.phase is None and one.allow is not None:
            lines += [
                *([""] if lines else []),
                "[[exceptions]]",
                f"image = {json.dumps(image.name)}",
                f"metric = {json.dumps(one.metric.value)}",
                f"allow = {_value(one.metric, one.allow)}",
                f"until = {until}",
                'reason = "TODO: why it is needed for now"',
            ]
    return tuple(lines)


def accept_image(
    image: ImageMeasurement, judged: ImageJudgement, looser: LooserRules, *, is_above_exceptions: bool = True
) -> Iterator[Finding]:
    """Yield how to accept the image's figures. Nothing if no budget is broken, or if none would let them pass.

    `is_above_exceptions` says whether the exceptions to paste follow below.
    """
    acceptances = image_acceptances(image, judged.rows)
    if already := _raised_already(image, acceptances, looser):
        yield _already(already, looser)
    elif acceptances:
        has_exception = is_above_exceptions and any(one.phase is None and one.allow is not None for one in acceptances)
        yield _accepting(keys_of_image(image, judged), looser, has_exception=has_exception)


def accept_group(group: GroupJudgement, looser: LooserRules) -> Iterator[Finding]:
    """Yield how to accept the sums of a group."""
    if lines := keys_of_group(group):
        yield _accepting(lines, looser, has_exception=False)


def exceptions_of(result: JudgedReport) -> tuple[str, ...]:
    """Return the exceptions under which everything would pass that an exception can let pass, as lines of TOML."""
    measured, looser = result.measured, result.report.looser
    lines: list[str] = []
    for judged in result.judgement.images:
        of_image = exception_lines(measured[judged.name], judged, result.report.started_at, looser)
        lines += [*([""] if lines and of_image else []), *of_image]
    return tuple(lines)


def _accepting(lines: Sequence[str], looser: LooserRules, *, has_exception: bool) -> Finding:
    parts: list[Part] = ["to accept: set "]
    for number, line in enumerate(lines):
        parts += [" and " if number == len(lines) - 1 else ", "] if number else []
        parts.append(Quoted(line))
    parts += [", or paste the exception below"] if has_exception else []
    return Finding((*parts, *_label(looser, "; this needs the label ")), FindingKind.ACCEPT)


def _raised_already(image: ImageMeasurement, acceptances: Sequence[Acceptance], looser: LooserRules) -> tuple[str, ...]:
    """Return the keys that the head has raised without approval, if these are all that are needed. Else nothing."""
    raised = {one.key for one in looser.unapproved if not one.is_group and one.subject == image.name}
    needed = {key for one in acceptances for key in _needed(one)}
    return tuple(sorted(needed)) if needed <= raised else ()


def _already(keys: Sequence[str], looser: LooserRules) -> Finding:
    named: list[Part] = []
    for number, key in enumerate(keys):
        named += [" and " if number == len(keys) - 1 else ", "] if number else []
        named.append(Quoted(key))
    verbs = ("is", "counts") if len(keys) == 1 else ("are", "count")
    said = f" {verbs[0]} looser here already, and {verbs[1]} with the label "
    return Finding((*named, *_label(looser, said)), FindingKind.ACCEPT)


def _label(looser: LooserRules, before: str) -> Parts:
    """Return which label is needed. Empty if looser budgets count without one."""
    if looser.approval is Approval.NOT_ASKED:
        return ()
    anew = "" if looser.approval is Approval.MISSING else " anew"
    return (before, Quoted(looser.label), f"{anew} from somebody with triage rights")


def _image_table(image: ImageMeasurement, one: Acceptance) -> tuple[str, ...]:
    below = ("budgets",) if one.phase is None else ("phases", one.phase)
    return ("images", image.name, *below, one.metric.value)


def _needed(one: Acceptance) -> Iterator[str]:
    """Yield the keys that have to be looser, as `budgets.loosening` names them."""
    table = f"budgets.{one.metric}" if one.phase is None else f"phases.{one.phase}.{one.metric}"
    levels = (("max", one.max), ("headroom", one.headroom), ("min", one.min))
    yield from (f"{table}.{key}" for key, value in levels if value is not None)
    if one.growth is not None:
        key = f"{table}.{_change_key(one.metric)}"
        yield f"{key}.floor" if one.metric.definition.unit is not Unit.COUNT else key


def _lines(table: Sequence[str], one: Acceptance) -> Iterator[str]:
    path = ".".join(key if _BARE_KEY.fullmatch(key) else json.dumps(key) for key in table)
    if one.max is not None:
        yield f"{path}.max = {_value(one.metric, one.max)}"
    if one.headroom is not None:
        yield f"{path}.headroom = {_value(one.metric, one.headroom)}"
    if one.min is not None:
        yield f"{path}.min = {_value(one.metric, one.min)}"
    if one.growth is not None:
        yield f"{path}.{_change_key(one.metric)} = {_growth(one.metric, one.growth)}"


def _change_key(metric: Metric) -> str:
    return "growth" if metric.definition.better is Better.LESS else "drop"


def _growth(metric: Metric, growth: Tolerance) -> str:
    if metric.definition.unit is Unit.COUNT:
        return str(growth.floor)
    return f"{{ percent = {growth.percent:g}, floor = {_value(metric, growth.floor)} }}"


def _value(metric: Metric, value: int) -> str:
    match metric.definition.unit:
        case Unit.BYTES:
            return json.dumps(as_written(value))
        case Unit.MILLISECONDS:
            return json.dumps(duration_as_written(value))
        case Unit.MICROSECONDS:
            return json.dumps(latency_as_written(value))
        case Unit.PER_1000_SECONDS | Unit.PER_1000_SECONDS_AND_GIB:
            return rate_as_written(value)
        case Unit.COUNT:
            return str(value)
