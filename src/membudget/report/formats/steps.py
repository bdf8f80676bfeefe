"""Steps in formats for people: a table of suspected ones for a terminal, and a proven one in Markdown and as text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from membudget.core.metric_words import format_delta, format_value
from membudget.core.untrusted_text import in_markdown, in_plain_text, printable
from membudget.history.step_line import StepLine
from membudget.history.steps import SuspectedStep
from membudget.report.findings import Finding
from membudget.report.formats.markdown import folded
from membudget.report.formats.tables import TerminalTable
from membudget.report.step_words import (
    Link,
    Remark,
    StepPart,
    ToldStep,
    state_words,
    step_details,
    step_remarks,
    step_sentence,
)

_LONGEST_SUBJECT = 60
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class ListedStep:
    """A suspected step, and what the history says came of it."""

    step: SuspectedStep
    earlier: StepLine | None


def render_table(listed: Sequence[ListedStep]) -> RenderableType:
    """Return a table of suspected steps for a terminal."""
    headings = ("image", "metric", "from", "to", "change", "first commit with it", "state")
    return TerminalTable(headings, [_row(one) for one in listed], frozenset({"from", "to", "change"}))


def _row(one: ListedStep) -> list[Text]:
    step = one.step
    state = state_words(step.machine, one.earlier) if step.is_worse else "better"
    return [
        Text(step.image),
        Text(step.metric.definition.label),
        Text(format_value(step.metric, step.value_before)),
        Text(format_value(step.metric, step.value_after)),
        Text(format_delta(step.metric, step.growth)),
        Text(f"{step.after.sha[:_DIGITS]} {printable(step.after.subject, _LONGEST_SUBJECT)}"),
        Text(state),
    ]


def render_markdown(told: ToldStep) -> str:
    """Return a proven step for an issue or a comment. Text from outside is in code spans."""
    remarks = [_item(remark) for remark in step_remarks(told)]
    details = "\n".join(f"- {finding.as_markdown()}" for finding in step_details(told))
    return "\n".join([_joined(step_sentence(told)), "", *remarks, "", folded(_DETAILS, details), ""])


def _item(remark: Remark) -> str:
    return "\n".join([f"- {_joined(remark.said)}", *(f"  - {_joined(parts)}" for parts in remark.below)])


_DETAILS = Finding(("What was compared",))


def _joined(parts: Iterable[StepPart]) -> str:
    return "".join(_linked(part) if isinstance(part, Link) else in_markdown(part) for part in parts)


def _linked(link: Link) -> str:
    return f"[`{link.short}`]({link.url})" if link.url is not None else f"`{link.short}`"


def render_text(told: ToldStep) -> str:
    """Return a proven step for a terminal and a log, without control characters of others."""
    lines = [_plain(step_sentence(told))]
    for remark in step_remarks(told):
        lines += [f"  {_plain(remark.said)}", *(f"    {_plain(parts)}" for parts in remark.below)]
    return "\n".join(lines)


def _plain(parts: Iterable[StepPart]) -> str:
    return "".join(part.short if isinstance(part, Link) else in_plain_text(part) for part in parts)
