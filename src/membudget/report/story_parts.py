"""The parts of what a report tells, before they are Markdown or lines of a terminal.

A section has blocks, a block has elements: those stay or go as a whole where there is no room for all.
"""

from dataclasses import dataclass
from enum import IntEnum

from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.metric import Verdict
from membudget.report.findings import Finding
from membudget.report.table import TableRow
from membudget.report.timeline import Chart
from membudget.report.verdicts import Mark


class Keep(IntEnum):
    """What is worth more where there is no room for all: the lowest goes first."""

    CHARTS = 0
    FIGURES = 1
    DETAILS = 2
    LOGS = 3
    OTHER_ROWS = 4
    REMARKS = 5
    WHY = 6
    COMPARED = 7
    URGENT_ROWS = 8


@dataclass(frozen=True, slots=True)
class Item:
    """A sentence, and what belongs under it."""

    finding: Finding
    below: tuple[Finding, ...] = ()
    about: str | None = None
    """The image or the group that it tells of, as rows of the table name it; None: the whole."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the diff table."""

    elements: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows that have no budget, so no headroom and no status."""

    elements: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Another table: its first two columns are text, the rest figures."""

    headings: tuple[str, ...]
    elements: tuple[tuple[Part, ...], ...]


@dataclass(frozen=True, slots=True)
class Remarks:
    """What has to be known of the whole."""

    elements: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    elements: tuple[Item, ...]
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong in one way, with the one thing to do about it."""

    title: Mark
    next_step: Finding
    elements: tuple[Item, ...]
    verdict: Verdict
    """What it comes to."""


@dataclass(frozen=True, slots=True)
class Log:
    """The last lines of a log, all of them text from outside: one element, for half a log says nothing."""

    elements: tuple[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Charts:
    """Memory over time, image by image."""

    elements: tuple[tuple[Quoted, Chart], ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared, in one line."""

    elements: tuple[Finding]


Block = Rows | Figures | Sheet | Remarks | Items | Problem | Log | Charts | Compared


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the story."""

    keep: Keep
    blocks: tuple[Block, ...]
    title: Finding | None = None
    """What it is folded under; None: it stands in the open."""
    is_open: bool = False
    """Whether it is unfolded at first."""
