"""The parts of a story, independent of their format.

A section has blocks, and a block has elements. If there is not enough room, whole elements are left out.
"""

from dataclasses import dataclass
from enum import IntEnum

from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.image import ImageReason
from membudget.judge.metric import Verdict
from membudget.judge.whole import Gap
from membudget.report.findings import Finding
from membudget.report.fit_curve import Curve
from membudget.report.table import TableRow
from membudget.report.timeline import Chart
from membudget.report.verdicts import Mark


class Keep(IntEnum):
    """What to keep if there is not enough room. The lowest is left out first."""

    LEGEND = 0
    FITTED = 1
    CHARTS = 2
    FIGURES = 3
    DETAILS = 4
    TREND = 5
    LOGS = 6
    OTHER_ROWS = 7
    ACCEPT = 8
    REMARKS = 9
    WHY = 10
    COMPARED = 11
    URGENT_ROWS = 12


@dataclass(frozen=True, slots=True)
class Item:
    """A sentence, and the sentences below it."""

    finding: Finding
    below: tuple[Finding, ...] = ()
    about: str | None = None
    """The name of the image or group, as in the table. None for the whole check."""
    reasons: tuple[ImageReason | Gap, ...] = ()
    """What the finding says, as data, if it says why something does not pass."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the diff table."""

    elements: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows without a budget, which have neither headroom nor status."""

    elements: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Another table. Its first two columns are text, the others are figures."""

    headings: tuple[str, ...]
    elements: tuple[tuple[Part, ...], ...]


@dataclass(frozen=True, slots=True)
class Remarks:
    """Remarks about the whole check."""

    elements: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    elements: tuple[Item, ...]
    title: str | None = None


@dataclass(frozen=True, slots=True)
class StoryProblem:
    """Images with the same outcome, and the next step for all of them."""

    title: Mark
    next_step: Finding
    elements: tuple[Item, ...]
    verdict: Verdict
    """The verdict on these images."""


@dataclass(frozen=True, slots=True)
class Log:
    """The last lines of a log, which are text from outside. They are one element, because half a log is useless."""

    elements: tuple[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Paste:
    """Lines to paste into the budgets file, or to apply. They are one element, because half of them is useless."""

    elements: tuple[tuple[str, ...], ...]
    language: str = "toml"


@dataclass(frozen=True, slots=True)
class Charts:
    """Memory over time, or what limits cost, image by image."""

    elements: tuple[tuple[Quoted, Chart | Curve], ...]


@dataclass(frozen=True, slots=True)
class Legend:
    """What the small pictures in a table mean."""

    elements: tuple[Finding]


@dataclass(frozen=True, slots=True)
class ComparedRevisions:
    """What was compared, on one line."""

    elements: tuple[Finding]


Block = Rows | Figures | Sheet | Remarks | Items | StoryProblem | Log | Paste | Charts | Legend | ComparedRevisions


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the story."""

    keep: Keep
    blocks: tuple[Block, ...]
    title: Finding | None = None
    """The title under which the section is folded. None if it is always visible."""
    is_open: bool = False
    """Whether a folded section is open at first."""
