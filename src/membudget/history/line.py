"""One line of the history: what a check found out about one metric of one image at one commit of the main branch.

Lines are JSON, and sorted by their text wherever they are kept, so that git merges two files of lines by their union. A
line is never changed. A later version of the format gets a reader of its own here, and old lines stay readable. A key
may be added without a new version: readers ignore the keys that they do not know.
"""

import re
import statistics
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from membudget.budgets.trial_count import MOST_TRIALS
from membudget.core.definition import Aggregation
from membudget.core.metrics import Metric

LARGEST_NOTE_BYTES = 8_000_000
"""The size limit of what is kept of one commit. 500 images with six metrics and ten trials each need 1.5 million."""
LONGEST_MS = 7 * 24 * 3_600_000
"""The longest time that an image can have taken: GitHub ends jobs before."""
_LONGEST_LINE = 8_000
_MOST_LINES = 50_000
"""The most lines about one commit. 500 images with forty metrics have 20,000."""
_MOST_DAMAGED = 1_000
"""After so many damaged lines about one commit, the others are not looked at. Each costs as much as ten good ones."""
_LARGEST = 2**62
_SKEW = timedelta(days=1)
"""How far the clock of another runner may be ahead."""
_ANY_VERSION = re.compile(rb'"v":\s*(\d{1,9})\b')
VERSION = 1
_BEGIN = b'{"v":'
_ABOUT = re.compile(rb'"image":"([^"\\]*)","metric":"([^"\\]*)"')
_OTHER_KIND = re.compile(rb'\{"v":\d{1,9},"kind":"')
"""How a line begins that has no figure, such as one about a search for a step (`history/step_line`)."""
_LAYOUT = re.compile(rb'\{"v":1,' + _ABOUT.pattern + b"[,}]")
"""How a line of today's version begins, as membudget writes it."""
_MOST_ALTERNATIVES = 20
_MOST_SUBJECTS = 10_000

_Figure = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)]


class HistoryLine(BaseModel):
    """A line of today's version. Unknown keys are ignored: a later membudget may have written them."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    v: Literal[1]
    """The version of the format."""
    image: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]+([_.-][a-z0-9]+)*$")]
    """The image's name. The pattern is that of `budgets.toml`, checked without Python: a fleet has a million lines."""
    metric: Metric
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
    time: AwareDatetime
    """When the check began. The order of commits is git's, so that wrong clocks change little."""
    value: _Figure
    """In the unit of the metric's definition: bytes, milliseconds, microseconds or a count."""
    samples: Annotated[tuple[_Figure, ...], Field(max_length=MOST_TRIALS)] = ()
    """The value of each trial, which is the spread. Empty for exact values and estimates."""
    interval: tuple[_Figure, _Figure] | None = None
    """The 95 % confidence interval of an estimate."""
    at_most: _Figure | None = None
    """An upper bound of the true value, if a spike was missed."""
    at_least: _Figure | None = None
    lower_bound: bool = False
    """Whether the true value may be higher without a known bound."""
    trials: Annotated[int, Field(ge=0, le=MOST_TRIALS)]
    machine: Annotated[str, Field(max_length=100, pattern=r"^[\w ./-]+$")]
    """The class of the machine. Figures of trials are compared only within a class."""
    budget: _Figure | None = None
    """The smallest maximum, or the largest minimum, that a budget set then. None if there was none."""
    membudget: Annotated[str, Field(max_length=100)]
    """The version of membudget that measured."""
    took_ms: Annotated[int, Field(ge=0, le=LONGEST_MS)] | None = None
    """How long the build and the trials of one side took. None if results were reused, and in older lines."""
    refresh: bool = False
    """Whether the image was measured only because its last figure was old. Its commit need not have changed it."""

    @property
    def agrees_with_itself(self) -> bool:
        """Whether a check can have found these figures: the value is that of its samples, and in its interval."""
        definition = self.metric.definition
        if self.value < 0 and not definition.may_be_negative:
            return False
        if self.interval is not None and not self.interval[0] <= self.value <= self.interval[1]:
            return False
        if self.samples and definition.aggregation is Aggregation.MEDIAN:
            return len(self.samples) <= self.trials and self.value == _median(self.samples)
        return True

    @property
    def spread(self) -> tuple[int, int]:
        """The smallest and the largest value of the trials, or the interval of an estimate."""
        if self.interval is not None:
            return self.interval
        return (min(self.samples), max(self.samples)) if self.samples else (self.value, self.value)

    def text(self) -> bytes:
        """Return the line as the history stores it, without the newline."""
        return self.model_dump_json(exclude_defaults=True).encode()


class LineFault(StrEnum):
    """Why something in the history is skipped."""

    NO_LINE = "no-line"
    """It is truncated, or no line of any version."""
    NEWER_VERSION = "newer-version"
    IMPOSSIBLE = "impossible"
    """Its figures contradict each other, so that no check can have written it."""
    OTHER_COMMIT = "other-commit"
    """It names another commit than the one that it is kept for."""
    FUTURE = "future"
    """Its time has not come yet: a clock was wrong, or it is forged."""
    TOO_LARGE = "too-large"
    """There is more about one commit than any check writes."""


@dataclass(frozen=True, slots=True)
class SkippedFault:
    """What is not used of the history, and where it was found first."""

    fault: LineFault
    count: int
    commit: str


MetricOfImage = tuple[str, str]
"""An image and a metric, as a line names them."""


@dataclass(slots=True)
class SkippedLines:
    """Collects what is skipped, in little memory."""

    _counts: dict[LineFault, tuple[int, str]] = field(default_factory=dict)
    _about: set[MetricOfImage] = field(default_factory=set)
    is_about_any: bool = False
    """Whether something was skipped of which nobody can tell which image it was about."""

    def add(self, fault: LineFault, commit: str, about: MetricOfImage | None = None) -> None:
        """Count a line. `about` is None if nobody can tell what it was about."""
        count, first = self._counts.get(fault, (0, commit))
        self._counts[fault] = count + 1, first
        if about is None or len(self._about) >= _MOST_SUBJECTS:
            self.is_about_any = True
        else:
            self._about.add(about)

    def is_about(self, image: str, metric: Metric) -> bool:
        """Return whether a line that was skipped names this image and metric."""
        return (image, str(metric)) in self._about

    def all(self) -> tuple[SkippedFault, ...]:
        """Return what was skipped, by fault."""
        return tuple(SkippedFault(fault, count, first) for fault, (count, first) in sorted(self._counts.items()))


def read_lines(
    commit: str, data: bytes, now: datetime, skipped: SkippedLines, only: re.Pattern[bytes] | None = None
) -> list[HistoryLine]:
    """Return the lines that are kept for a commit, as far as they are usable. Count the others in `skipped`.

    `data` may come from anybody who can write to the history. `only` leaves out lines of other images and metrics
    before they are parsed: see `line_filter`. Only a line that is whole can be about something else.
    """
    if len(data) > LARGEST_NOTE_BYTES or data.count(b"\n") > _MOST_LINES:
        skipped.add(LineFault.TOO_LARGE, commit)
        return []
    damaged = _Damaged(commit, skipped)
    texts = [text for text in data.split(b"\n") if text and not text.isspace()]
    if b'"kind":"' in data:
        texts = [text for text in texts if not _has_no_figure(text)]
    if only is not None:
        texts = list(_matching(texts, only, damaged))
    try:  # nearly always everything is in order, and one call is several times as fast
        if max(map(len, texts), default=0) > _LONGEST_LINE:
            raise ValueError("a line that no check writes")
        lines = _all_lines().validate_json(b"[" + b",".join(texts) + b"]", strict=True)
        if len(lines) != len(texts):
            raise ValueError("a line that holds several")
    except ValueError:
        lines = list(_one_by_one(texts, damaged))
    latest = now + _SKEW
    return [line for line in lines if _belongs(line, commit, latest, skipped)]


def line_filter(images: Collection[str], metrics: Collection[Metric]) -> re.Pattern[bytes] | None:
    """Return what lines of these images and metrics contain, as membudget writes them. Empty: of all.

    It lets a few others pass: an alternative of many images would be slower than parsing their lines.
    """
    image = "|".join(map(re.escape, images)) if 0 < len(images) <= _MOST_ALTERNATIVES else r"[^\"]*+"
    metric = "|".join(metrics) or r"[^\"]*+"
    return re.compile(f'"image":"(?:{image})","metric":"(?:{metric})"'.encode()) if images or metrics else None


def _has_no_figure(text: bytes) -> bool:
    """Return whether a line is of another kind. If it has run together with another line, a figure may be lost."""
    return _OTHER_KIND.match(text) is not None and text.count(_BEGIN) == 1


@dataclass(slots=True)
class _Damaged:
    """The damaged lines about one commit."""

    commit: str
    skipped: SkippedLines
    count: int = 0

    def add(self, text: bytes) -> None:
        self.count += 1
        if self.count <= _MOST_DAMAGED:
            self.skipped.add(_fault_of(text), self.commit, _subject_of(text))
        elif self.count == _MOST_DAMAGED + 1:
            self.skipped.add(LineFault.TOO_LARGE, self.commit)

    @property
    def is_hopeless(self) -> bool:
        return self.count > _MOST_DAMAGED


def _matching(texts: Sequence[bytes], only: re.Pattern[bytes], damaged: _Damaged) -> Iterator[bytes]:
    """Yield the lines that `only` finds. Skip those that are not certainly about something else."""
    for text in texts:
        if only.search(text):
            yield text
        elif not (_LAYOUT.match(text) and text.endswith(b"}")):
            damaged.add(text)
            if damaged.is_hopeless:
                return


def _subject_of(text: bytes) -> MetricOfImage | None:
    """Return what a line is about. None if it is not whole, or may be several lines that have run together."""
    found = _ABOUT.findall(text)
    if len(found) != 1 or text.count(_BEGIN) != 1 or not (text.startswith(_BEGIN) and text.endswith(b"}")):
        return None
    image, metric = found[0]
    return image.decode(errors="replace"), metric.decode(errors="replace")


def _median(samples: Sequence[int]) -> int:
    """Return the rounded median. `statistics.median` takes three times as long, and a fleet has a million lines."""
    middle, is_odd = divmod(len(samples), 2)
    return sorted(samples)[middle] if is_odd else round(statistics.median(samples))


def _belongs(line: HistoryLine, commit: str, latest: datetime, skipped: SkippedLines) -> bool:
    if line.commit == commit and line.time <= latest and line.agrees_with_itself:
        return True
    is_future = line.time > latest
    fault = LineFault.FUTURE if is_future else LineFault.IMPOSSIBLE
    skipped.add(LineFault.OTHER_COMMIT if line.commit != commit else fault, commit, (line.image, str(line.metric)))
    return False


def _one_by_one(texts: Sequence[bytes], damaged: _Damaged) -> Iterator[HistoryLine]:
    for text in texts:
        try:
            if len(text) > _LONGEST_LINE:
                raise ValueError("a line that no check writes")
            yield HistoryLine.model_validate_json(text, strict=True)
        except ValueError:
            damaged.add(text)
            if damaged.is_hopeless:
                return


def _fault_of(text: bytes) -> LineFault:
    version = _ANY_VERSION.search(text)
    return LineFault.NEWER_VERSION if version is not None and int(version[1]) > VERSION else LineFault.NO_LINE


@cache
def _all_lines() -> TypeAdapter[list[HistoryLine]]:
    return TypeAdapter(list[HistoryLine])
