"""How to accept what is over budget: the keys to raise, the exception to paste, and the label that approves either."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from membudget.budgets.editing import LineEdit, NewValue, NewValues, applied, edited, in_toml, line_edits
from membudget.budgets.lines import KeyNames
from membudget.budgets.loosening import Approval
from membudget.budgets.rules import Tolerance
from membudget.budgets.suggested import as_written, duration_as_written, latency_as_written
from membudget.core.definition import Better, Unit
from membudget.core.metrics import Metric
from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Part, Parts, Quoted, printable
from membudget.judge.acceptance import (
    Acceptance,
    LargerLimit,
    group_acceptances,
    image_acceptances,
    larger_limit,
)
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.whole import GroupJudgement
from membudget.report.findings import Finding, FindingKind
from membudget.report.report import JudgedReport, LooserRules, Proposal, Report
from membudget.report.row_words import joined

_DAYS = 30
"""How long a proposed exception lasts."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
EXCEPTIONS_TITLE = "Temporary exceptions to paste at the end of budgets.toml"
_LONGEST_TEXT = 40_000
_MOST_LINES = 1_500
"""Of the budgets file of a stranger: tomlkit's time can grow with the cube of both."""
_LONGEST_LINE, _LONGEST_EDIT = 300, 900
"""In characters. A longer line would be cut, and of a longer edit the keys are told."""


def keys_of_image(image: ImageMeasurement, judged: ImageJudgement) -> tuple[str, ...]:
    """Return the keys under which the image's figures pass, as lines of TOML."""
    return tuple(_key_lines(("images", image.name), _image_values(image, judged)))


def keys_of_group(group: GroupJudgement) -> tuple[str, ...]:
    """Return the keys under which the group's sums pass, as lines of TOML."""
    return tuple(_key_lines(("groups", group.name), _group_values(group)))


def proposals(result: JudgedReport, text: str, file: str) -> tuple[Proposal, ...]:
    """Return how to edit the budgets file `text`, named `file`, so that what fails passes.

    Images and groups are left out whose edit cannot be told in a few lines.
    """
    if len(text) > _LONGEST_TEXT or text.count("\n") > _MOST_LINES:
        return ()
    measured = result.measured
    wanted = {("images", one.name): _image_values(measured[one.name], one) for one in result.judgement.images}
    wanted |= {("groups", one.name): _group_values(one) for one in result.judgement.groups}
    made = (_proposal(text, file, table, values) for table, values in wanted.items())
    return tuple(one for one in made if one is not None)


def _proposal(text: str, file: str, table: KeyNames, values: NewValues) -> Proposal | None:
    """Return how to set values in a table. None if there are none, or if words cannot tell it exactly."""
    if not values:
        return None
    try:
        after = edited(text, {table: values})
        found = line_edits(text, after)
        edits = tuple(replace(one, lines=tuple(map(printable, one.lines))) for one in found)
        is_exact = tomllib.loads(applied(text, edits)) == tomllib.loads(after)
    except ValueError:
        return None
    sizes = [len(line) for one in found for line in one.lines]
    if not is_exact or max(sizes, default=0) > _LONGEST_LINE or sum(sizes) > _LONGEST_EDIT:
        return None
    return Proposal(table[1], table[0] == "groups", tuple(_key_lines(table, values)), file, edits)


def exception_lines(
    image: ImageMeasurement, judged: ImageJudgement, started_at: datetime, looser: LooserRules
) -> tuple[str, ...]:
    """Return exceptions under which the image's figures pass, as lines of TOML. Empty if none would help.

    They last for a month after the check started.
    """
    until = date.fromordinal(min(started_at.date().toordinal() + _DAYS, date.max.toordinal())).isoformat()
    lines: list[str] = []
    acceptances = image_acceptances(image, judged.rows)
    if _raised_already(image, judged, acceptances, looser):
        return ()
    for one in acceptances:
        if one.phase is None and one.allow is not None:
            lines += [
                *([""] if lines else []),
                "[[exceptions]]",
                f"image = {json.dumps(image.name)}",
                f"metric = {json.dumps(one.metric.value)}",
                f"allow = {in_toml(_value(one.metric, one.allow))}",
                f"until = {until}",
                'reason = "TODO: why it is needed for now"',
            ]
    return tuple(lines)


def accept_image(
    image: ImageMeasurement, judged: ImageJudgement, report: Report, *, is_above_exceptions: bool = True
) -> Iterator[Finding]:
    """Yield how to accept the image's figures. Nothing if no budget is broken, or if none would let them pass.

    `is_above_exceptions` says whether the exceptions to paste follow below.
    """
    acceptances, larger = image_acceptances(image, judged.rows), larger_limit(image, judged.rows)
    if already := _raised_already(image, judged, acceptances, report.looser):
        yield _already(already, report.looser)
        return
    keys = keys_of_image(image, judged)
    if not keys:
        return
    has_exception = is_above_exceptions and any(one.phase is None and one.allow is not None for one in acceptances)
    if larger is not None:
        yield _unknown_need(image, larger)
    yield _accepting(keys, report, (image.name, False), larger, has_exception=has_exception)


def accept_group(group: GroupJudgement, report: Report) -> Iterator[Finding]:
    """Yield how to accept the sums of a group."""
    if keys := keys_of_group(group):
        yield _accepting(keys, report, (group.name, True), None, has_exception=False)


def exceptions_of(result: JudgedReport) -> tuple[str, ...]:
    """Return the exceptions under which everything would pass that an exception can let pass, as lines of TOML."""
    measured, looser = result.measured, result.report.looser
    lines: list[str] = []
    for judged in result.judgement.images:
        of_image = exception_lines(measured[judged.name], judged, result.report.started_at, looser)
        lines += [*([""] if lines and of_image else []), *of_image]
    return tuple(lines)


def proposal_of(report: Report, name: str, keys: Sequence[str], *, is_group: bool) -> Proposal | None:
    """Return how to edit the budgets file. None if the report does not say it for these keys and values."""
    wanted = (name, is_group, tuple(keys))
    return next((one for one in report.proposals if (one.subject, one.is_group, one.keys) == wanted), None)


def _unknown_need(image: ImageMeasurement, larger: LargerLimit) -> Finding:
    limit = format_size(image.limit_bytes)
    why = f"the kernel killed it at {limit}" if larger.was_killed else f"it reached its limit of {limit}"
    command = Quoted(f"membudget fit {image.name}")
    said = f"how much memory it needs is unknown, because {why} → find the smallest limit that works with "
    return Finding((said, command), FindingKind.ACCEPT)


def _accepting(
    keys: Sequence[str], report: Report, subject: tuple[str, bool], larger: LargerLimit | None, *, has_exception: bool
) -> Finding:
    proposal = proposal_of(report, subject[0], keys, is_group=subject[1])
    what = _edits(proposal) if proposal is not None else ("set in budgets.toml ", *_and(Quoted(key) for key in keys))
    start = "to accept: " if larger is None else "to try a larger limit: "
    parts: Parts = (start, *what)
    if has_exception:
        only = "" if larger is None else "change only the limit and "
        parts = (*parts, f", or {only}paste the exception below")
    parts = (*parts, *_label(report.looser, "; this needs the label "))
    if larger is not None:
        parts = (*parts, "; once it passes, lower the values to what was measured")
    return Finding(parts, FindingKind.ACCEPT)


def _edits(proposal: Proposal) -> Parts:
    """Return in words what to change in the budgets file, line by line."""
    told = [_edit(one) for one in proposal.edits]
    joined_edits = joined([joined(told[:-1], ", "), told[-1]], " and ") if told else ()
    return ("in ", Quoted(proposal.file), " ", *joined_edits)


def _edit(one: LineEdit) -> Parts:
    last = one.line + one.replaced - 1
    where = f"line {one.line}" if one.replaced == 1 else f"lines {one.line} to {last}"
    if not one.lines:
        return (f"remove {where}",)
    lines = _and(map(Quoted, one.lines))
    return (f"replace {where} with ", *lines) if one.replaced else ("add ", *lines, f" after line {one.line}")


def _and(parts: Iterable[Part]) -> Parts:
    """Join parts with commas, and the last with "and"."""
    *others, last = [(part,) for part in parts]
    return joined([joined(others, ", "), last], " and ")


def _raised_already(
    image: ImageMeasurement, judged: ImageJudgement, acceptances: Sequence[Acceptance], looser: LooserRules
) -> tuple[str, ...]:
    """Return the keys that would have to be looser, if the pull request loosens all of them. Empty otherwise.

    If it loosens the limit that the image reached, nothing else is known to be needed.
    """
    raised = {one.key for one in looser.unapproved if not one.is_group and one.subject == image.name}
    needed = {key for one in acceptances for key in _needed(one)}
    if "limit" in raised and larger_limit(image, judged.rows) is not None:
        return ("limit", *sorted(needed & raised))
    return tuple(sorted(needed)) if needed <= raised else ()


def _already(keys: Sequence[str], looser: LooserRules) -> Finding:
    verbs = ("is", "counts") if len(keys) == 1 else ("are", "count")
    said = f" {verbs[0]} already looser in this change, and {verbs[1]} with the label "
    return Finding((*_and(map(Quoted, keys)), *_label(looser, said)), FindingKind.ACCEPT)


def _label(looser: LooserRules, before: str) -> Parts:
    """Return which label is needed. Empty if looser budgets count without one."""
    if looser.approval is Approval.NOT_ASKED:
        return ()
    again = "" if looser.approval is Approval.MISSING else " again"
    return (before, Quoted(looser.label), f"{again} from somebody with triage rights")


def _image_values(image: ImageMeasurement, judged: ImageJudgement) -> dict[str, NewValue]:
    """Return what to set in the image's table."""
    larger = larger_limit(image, judged.rows)
    budgets: dict[str, NewValue] = {}
    phases: dict[str, dict[str, NewValue]] = {}
    for one in image_acceptances(image, judged.rows):
        table = budgets if one.phase is None else phases.setdefault(one.phase, {})
        table[one.metric.value] = _values(one)
    values: dict[str, NewValue] = {"limit": as_written(larger.bytes)} if larger is not None else {}
    values |= {"budgets": budgets} if budgets else {}
    return values | ({"phases": phases} if phases else {})


def _group_values(group: GroupJudgement) -> dict[str, NewValue]:
    total: dict[str, NewValue] = {one.metric.value: _values(one) for one in group_acceptances(group.rows)}
    return {"total": total} if total else {}


def _values(one: Acceptance) -> dict[str, NewValue]:
    levels = (("max", one.max), ("headroom", one.headroom), ("min", one.min))
    values = {key: _value(one.metric, level) for key, level in levels if level is not None}
    if one.growth is not None:
        values[_change_key(one.metric)] = _growth(one.metric, one.growth)
    return values


def _needed(one: Acceptance) -> Iterator[str]:
    """Yield the keys that have to be looser, as `budgets.loosening` names them."""
    table = f"budgets.{one.metric}" if one.phase is None else f"phases.{one.phase}.{one.metric}"
    levels = (("max", one.max), ("headroom", one.headroom), ("min", one.min))
    yield from (f"{table}.{key}" for key, value in levels if value is not None)
    if one.growth is not None:
        key = f"{table}.{_change_key(one.metric)}"
        yield f"{key}.floor" if one.metric.definition.unit is not Unit.COUNT else key


def _key_lines(path: Sequence[str], values: NewValues) -> Iterator[str]:
    """Yield each value with its whole key. Growth is one value."""
    for key, value in values.items():
        keys = (*path, key)
        if isinstance(value, Mapping) and not {*value} <= {"percent", "floor"}:
            yield from _key_lines(keys, value)
        else:
            name = ".".join(one if _BARE_KEY.fullmatch(one) else json.dumps(one) for one in keys)
            yield f"{name} = {in_toml(value)}"


def _change_key(metric: Metric) -> str:
    return "growth" if metric.definition.better is Better.LESS else "drop"


def _growth(metric: Metric, growth: Tolerance) -> NewValue:
    if metric.definition.unit is Unit.COUNT:
        return growth.floor
    percent = int(growth.percent) if growth.percent == int(growth.percent) else growth.percent
    return {"percent": percent, "floor": _value(metric, growth.floor)}


def _value(metric: Metric, value: int) -> NewValue:
    match metric.definition.unit:
        case Unit.BYTES:
            return as_written(value)
        case Unit.MILLISECONDS:
            return duration_as_written(value)
        case Unit.MICROSECONDS:
            return latency_as_written(value)
        case Unit.PER_1000_SECONDS | Unit.PER_1000_SECONDS_AND_GIB:
            return value // 1000 if value % 1000 == 0 else value / 1000
        case Unit.COUNT:
            return value
