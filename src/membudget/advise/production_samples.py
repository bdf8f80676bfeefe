"""Reads a file of samples from production, as CSV or JSON, for those who have no Prometheus.

Each row is a sample of one container: a time, the container's name, and one or both sizes in bytes.
"""

import csv
import io
import math
import re
import statistics
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from membudget.budgets.fields import LARGEST_SIZE_BYTES
from membudget.budgets.selector import Matcher, Selector
from membudget.core.errors import ConfigurationError, shortened
from membudget.core.metrics import Metric
from membudget.judge.production import NotSeen, Production, ProductionUse, Scrapes

LARGEST_FILE_BYTES = 64 << 20
_MOST_ROWS = 1_000_000
_LONGEST_FIELD = 1000
_COLUMNS = ("time", "container", "pod", "namespace", "image", "working_set_bytes", "rss_bytes", "oom_kills")
_NUMBERS = ("rss_bytes", "working_set_bytes", "oom_kills")
_NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?([eE][+-]?\d{1,3})?", re.ASCII)
_LABELS = ("container", "pod", "namespace", "image")
_PLAIN = re.compile(r"[\w-]+", re.ASCII)
_GAP = 3
"""More than this many intervals without a sample are a gap."""
_P99 = 0.99
_HINT = f"use the columns {', '.join(_COLUMNS)}"


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A sample of one container."""

    time_s: float
    """Seconds since the epoch."""
    labels: Mapping[str, str]
    """Shared by all samples of a container: a file may have a million."""
    rss_bytes: int | None
    working_set_bytes: int | None
    oom_kills: int | None
    """How many processes the kernel has killed since the sample before. None if the file does not say."""


_Values = Mapping[str, str | float | None]
"""A row as the file has it, by column."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    time: str | float
    container: str
    pod: str = ""
    namespace: str = ""
    image: str = ""
    working_set_bytes: str | float | None = None
    rss_bytes: str | float | None = None
    oom_kills: str | float | None = None


_ROWS = TypeAdapter(list[_Row])


def read_samples(content: bytes, name: str) -> list[SampleRow]:
    """Return the rows of a file. Raises ConfigurationError, with the first row that is wrong."""
    if len(content) > LARGEST_FILE_BYTES:
        fix = "leave out containers or days, or thin the samples"
        raise ConfigurationError(f"it has more than {LARGEST_FILE_BYTES >> 20} MiB", where=name, fix=fix)
    rows = _of_json(content, name) if content.lstrip()[:1] in (b"[", b"{") else _of_csv(content, name)
    containers: dict[tuple[str, ...], Mapping[str, str]] = {}
    found = []
    for number, row in enumerate(rows, start=1):
        if number > _MOST_ROWS:
            raise ConfigurationError(f"it has more than {_MOST_ROWS:,} samples", where=name, fix="thin the samples")
        try:
            found.append(_sample(row, containers))
        except ValueError as error:
            raise ConfigurationError(str(error), where=f"{name}: sample {number}", fix=_HINT) from None
    return found


def _of_json(content: bytes, name: str) -> Iterator[_Values]:
    try:
        yield from (row.model_dump() for row in _ROWS.validate_json(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"{shortened(place)}: {shortened(first['msg'])}" if place else shortened(first["msg"])
        raise ConfigurationError(what, where=name, fix=f"write a list of objects; {_HINT}") from None


def _of_csv(content: bytes, name: str) -> Iterator[_Values]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError("it is neither CSV nor JSON in UTF-8", where=name) from None
    if "\0" in text:
        raise ConfigurationError("it is neither CSV nor JSON: it has zero bytes", where=name)
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="", strict=True)
    try:
        columns = [column.strip() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        if (wrong := _wrong_with(columns)) is not None:
            raise ConfigurationError(f"its first line {wrong}", where=name, fix=_HINT)
        for number, row in enumerate(reader, start=1):
            if "" in row:
                raise ConfigurationError("it has more fields than columns", where=f"{name}: sample {number}")
            yield {key: value.strip() for key, value in row.items()}
    except csv.Error as error:
        raise ConfigurationError(f"it is no CSV: {error}", where=f"{name}: line {reader.line_num}") from None


def _wrong_with(columns: Sequence[str]) -> str | None:
    """Return what is wrong with the columns of a CSV, in words that follow "its first line". None if nothing is."""
    if not {"time", "container"} <= set(columns):
        return "does not have the columns time and container"
    if "" in columns:
        return "has a column without a name. Look for two commas side by side, or a comma at an end"
    for column in columns:
        if column not in _COLUMNS:
            return f"has an unknown column: {shortened(column)}"
        if columns.count(column) > 1:
            return f"has the column {column} more than once"
    return None


def _sample(row: _Values, containers: dict[tuple[str, ...], Mapping[str, str]]) -> SampleRow:
    names = tuple(str(row.get(name) or "") for name in _LABELS)
    labels = containers.get(names)
    if labels is None:
        if any(len(text) > _LONGEST_FIELD for text in names):
            raise ValueError(f"a name has more than {_LONGEST_FIELD} characters")
        if not names[0]:
            raise ValueError("container is empty")
        labels = containers[names] = dict(zip(_LABELS, names, strict=True))
    rss, working_set, kills = (_number(column, row.get(column)) for column in _NUMBERS)
    if rss is None and working_set is None:
        raise ValueError("it has neither working_set_bytes nor rss_bytes")
    return SampleRow(_seconds(row.get("time")), labels, rss, working_set, kills)


def _number(column: str, value: str | float | None) -> int | None:
    if value is None or value == "":
        return None
    number = float(value) if isinstance(value, float | int) or _NUMBER.fullmatch(value) else math.nan
    if not (math.isfinite(number) and 0 <= number <= LARGEST_SIZE_BYTES):
        raise ValueError(f"{column} is {shortened(str(value), 40)!r}, and not a number from 0")
    return round(number)


def _seconds(value: str | float | None) -> float:
    """Return a time: seconds since the epoch, or RFC 3339. Without a zone, it is UTC."""
    seconds = math.nan
    if isinstance(value, float | int) or (value is not None and _NUMBER.fullmatch(value)):
        seconds = float(value)
    else:
        with suppress(ValueError, OverflowError):
            time = datetime.fromisoformat(str(value))
            seconds = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()
    if not (math.isfinite(seconds) and 0 <= seconds < 1e11):
        raise ValueError(f'time is {shortened(str(value), 40)!r}: write "2026-11-28T08:00:00Z", or seconds since 1970')
    return seconds


@dataclass(frozen=True, slots=True)
class _Condition:
    """A matcher without a regular expression: those of a stranger could take for ever."""

    label: str
    values: frozenset[str]
    is_wanted: bool

    @classmethod
    def of(cls, matcher: Matcher, selector: Selector) -> "_Condition":
        """Return what a matcher means. Raises ConfigurationError for a regular expression."""
        values = [matcher.value] if matcher.operator in ("=", "!=") else matcher.value.replace("\\-", "-").split("|")
        if matcher.operator in ("=~", "!~") and not all(map(_PLAIN.fullmatch, values)):
            what = f"{selector} has a regular expression, and in a file of samples only names and | are understood"
            raise ConfigurationError(what, fix="write a matcher with = for the container's name")
        return cls(matcher.label, frozenset(values), matcher.operator in ("=", "=~"))

    def holds(self, row: SampleRow) -> bool:
        """Return whether a row matches. A label that no file has is empty, as in Prometheus."""
        return (row.labels.get(self.label, "") in self.values) is self.is_wanted


@dataclass(slots=True)
class _Container:
    times: "array[float]" = field(default_factory=lambda: array("d"))
    sizes: dict[Metric, "array[int]"] = field(default_factory=dict)


def seen_in_samples(rows: Iterable[SampleRow], selector: Selector) -> Production | NotSeen:
    """Return what the containers that match used. Raises ConfigurationError for a selector that no file can answer."""
    conditions = [_Condition.of(matcher, selector) for matcher in selector.matchers]
    found: dict[tuple[str, ...], _Container] = {}
    kills: list[int] = []
    for row in rows:
        if not all(condition.holds(row) for condition in conditions):
            continue
        one = found.setdefault(tuple(row.labels[label] for label in ("namespace", "pod", "container")), _Container())
        one.times.append(row.time_s)
        for metric, size in ((Metric.PEAK_RSS, row.rss_bytes), (Metric.PEAK_WORKING_SET, row.working_set_bytes)):
            if size is not None:
                one.sizes.setdefault(metric, array("q")).append(size)
        kills += [row.oom_kills] if row.oom_kills is not None else []
    if not found:
        return NotSeen.NO_SAMPLES
    used = {
        metric: _used([one.sizes[metric] for one in found.values() if metric in one.sizes])
        for metric in (Metric.PEAK_RSS, Metric.PEAK_WORKING_SET)
    }
    return Production(
        selector=str(selector),
        days=None,
        used={metric: one for metric, one in used.items() if one is not None},
        pods=len({key[:2] for key in found}),
        containers=len(found),
        namespaces=len({key[0] for key in found}),
        samples=sum(len(one.times) for one in found.values()),
        scrapes=_scrapes([sorted(one.times) for one in found.values()]),
        oom_kills=sum(kills) if kills else None,
        oom_killed=None,
        restarts=None,
    )


def _used(containers: Sequence[Sequence[int]]) -> ProductionUse | None:
    if not containers:
        return None
    peaks = [max(sizes) for sizes in containers]
    return ProductionUse(max(peaks), max(_quantile(sizes) for sizes in containers), _quantile(peaks))


def _quantile(values: Sequence[int]) -> int:
    """Return the 99th percentile as Prometheus does: between two values, along a line."""
    ordered = sorted(values)
    rank = _P99 * (len(ordered) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (rank - below))


def _scrapes(containers: Sequence[Sequence[float]]) -> Scrapes | None:
    """Return how often memory was sampled, and how long no container was."""
    steps = [after - before for times in containers for before, after in pairwise(times) if after > before]
    if not steps:
        return None
    usual = statistics.median(steps)
    every = sorted(time for times in containers for time in times)
    missing = sum(after - before for before, after in pairwise(every) if after - before > _GAP * usual)
    return Scrapes(usual, round(every[-1] - every[0]), round(missing))
