"""The history in formats for people and programs: a table, CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from membudget.build.revision import MainCommit
from membudget.core.metric_words import format_delta, format_value
from membudget.core.untrusted_text import json_without_commands, printable
from membudget.history.line import LineFault, SkippedFault
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.report.formats.tables import TerminalTable

_LONGEST_SUBJECT = 60


def render_table(found: Sequence[MetricSeries]) -> RenderableType:
    """Return a table for a terminal, newest commit first within each series."""
    headings = ("image", "metric", "commit", "date", "value", "change", "trials", "budget", "subject")
    return TerminalTable(headings, list(_rows(found)), frozenset({"value", "change", "trials", "budget"}))


def _rows(found: Sequence[MetricSeries]) -> Iterator[list[Text]]:
    for series in found:
        before = (None, *(point.line.value for point in series.one_per_commit))
        pairs = list(zip(series.one_per_commit, before, strict=False))
        for point, earlier in reversed(pairs):
            line = point.line
            yield [
                Text(series.image),
                Text(series.metric.definition.label),
                Text(point.commit.sha[:10]),
                Text(_date(point)),
                Text(_value(point)),
                Text(format_delta(series.metric, line.value - earlier) if earlier is not None else ""),
                Text(str(line.trials)),
                Text(format_value(series.metric, line.budget) if line.budget is not None else ""),
                Text(printable(point.commit.subject, _LONGEST_SUBJECT)),
            ]


def _date(point: SeriesPoint) -> str:
    return time_of(point).strftime("%Y-%m-%d")


def time_of(point: SeriesPoint) -> datetime:
    """Return the time of a point's commit."""
    return commit_time(point.commit)


def commit_time(commit: MainCommit) -> datetime:
    """Return the commit's time. One that no calendar has becomes the nearest that it has."""
    return datetime.fromtimestamp(min(max(commit.time_s, 0), 253_402_300_799), UTC)


def _value(point: SeriesPoint) -> str:
    value = format_value(point.line.metric, point.line.value)
    return f"at least {value}" if point.line.lower_bound else value


def render_csv(found: Sequence[MetricSeries]) -> str:
    """Return a row per commit, oldest first, and a column per image and metric, in the metrics' base units.

    This is the form that Apache Otava reads: `time`, `commit`, then figures. A commit without a figure has an empty
    cell, which Otava refuses, so it is given one series at a time.
    """
    columns = [f"{series.image}.{series.metric}" for series in found]
    by_commit: dict[str, tuple[SeriesPoint, dict[str, int]]] = {}
    for series in found:
        for point in series.points:
            row = by_commit.setdefault(point.commit.sha, (point, {}))[1]
            row[f"{series.image}.{series.metric}"] = point.line.value
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", "commit", *columns])
    for point, figures in by_commit.values():
        time = time_of(point).strftime("%Y-%m-%d %H:%M:%S +0000")
        writer.writerow([time, point.commit.sha, *(figures.get(column, "") for column in columns)])
    return text.getvalue()


def render_json(found: Sequence[MetricSeries], skipped: Iterable[str]) -> str:
    """Return all points as JSON, with what was skipped."""
    series = [
        {
            "image": one.image,
            "metric": one.metric.value,
            "unit": one.metric.definition.unit.value,
            "points": [_point(point) for point in one.points],
        }
        for one in found
    ]
    return json_without_commands(json.dumps({"series": series, "skipped": list(skipped)}, indent=1)) + "\n"


def _point(point: SeriesPoint) -> dict[str, object]:
    line = point.line
    return {
        "commit": point.commit.sha,
        "subject": printable(point.commit.subject),
        "committed": time_of(point).isoformat(),
        "measured": line.time.isoformat(),
        "value": line.value,
        "spread": list(line.spread),
        "trials": line.trials,
        "budget": line.budget,
        "machine": line.machine,
        "membudget": printable(line.membudget),
        "refresh": line.refresh,
    }


_WHY = {
    LineFault.NO_LINE: ("is damaged", "are damaged"),
    LineFault.NEWER_VERSION: ("was written by a newer membudget", "were written by a newer membudget"),
    LineFault.IMPOSSIBLE: ("has figures that contradict each other", "have figures that contradict each other"),
    LineFault.OTHER_COMMIT: ("is about another commit", "are about another commit"),
    LineFault.FUTURE: ("has a time that has not come yet", "have a time that has not come yet"),
}


def skipped_words(skipped: Iterable[SkippedFault]) -> Iterator[str]:
    """Yield a sentence for each kind of line that is skipped, with the first commit where it was found."""
    for one in skipped:
        commit = one.commit[:12]
        if one.fault is LineFault.TOO_LARGE:
            what = f"the lines of {one.count} commit{'s' if one.count > 1 else ''} are too large"
        else:
            is_one, are_many = _WHY[one.fault]
            what = f"1 line {is_one}" if one.count == 1 else f"{one.count} lines {are_many}"
        yield f"history: {what}, first at {commit}. membudget skipped {'it' if one.count == 1 else 'them'}"
