"""What a fit found, on a terminal and as Markdown: the rungs, the curve, both answers and their sum."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.quantities import format_size
from membudget.core.untrusted_text import code_block, in_markdown, in_plain_text, printable
from membudget.judge.fitted import FittedImage, FittedRung
from membudget.report.fit_report import FitReport
from membudget.report.fit_words import answer_sentences, settings_sentence, sum_sentence, took_words
from membudget.report.formats.tables import TerminalTable, markdown_table

_BAR = 30
_COLUMNS = ("limit", "trials", "peak RSS", "CPU time", "requests/s", "p50", "p95", "p99", "refaults", "stalled")
_ALWAYS = frozenset({"limit", "trials", "peak RSS", "CPU time"})
"""The columns that are shown even if they are empty."""


def render(report: FitReport) -> RenderableType:
    """Return the report for rich. What most readers want comes last, where a terminal shows it."""
    parts: list[RenderableType] = []
    for image in report.images:
        parts += _image(image)
    if (total := sum_sentence(report)) is not None:
        parts.append(Text(total, style="bold"))
    return Group(*parts)


def _image(image: FittedImage) -> Iterator[RenderableType]:
    headings, rows = _table(image)
    if rows:
        cells = [[Text(cell) for cell in row] for row in rows]
        yield Text(f"{printable(image.name)}, {took_words(image)}", style="bold")
        yield TerminalTable(headings, cells, frozenset(headings) - {"trials"})
        yield Text()
    chart = curve(image)
    if chart:
        yield Text("\n".join(chart))
        yield Text()
    first, *others = ("".join(map(in_plain_text, sentence)) for sentence in answer_sentences(image))
    yield Text(first, style="bold")
    for sentence in others:
        yield Text(sentence)
    if (settings := settings_sentence(image)) is not None:
        yield Text(settings)
    yield Text()


def render_markdown(report: FitReport) -> str:
    """Return the report as Markdown. Rungs and curves are folded."""
    parts = []
    for image in report.images:
        parts.append(" ".join("".join(map(in_markdown, sentence)) for sentence in answer_sentences(image)))
        headings, rows = _table(image)
        if rows:
            columns = [(heading, ":--" if heading == "trials" else "--:") for heading in headings]
            inside = ["\n".join(markdown_table(columns, rows))]
            inside += [code_block(tuple(chart))] if (chart := curve(image)) else []
            parts.append(
                f"<details><summary>{took_words(image)}</summary>\n\n" + "\n\n".join(inside) + "\n\n</details>"
            )
    if (total := sum_sentence(report)) is not None:
        parts.append(f"**{total}**")
    return "\n\n".join(parts)


def _table(image: FittedImage) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells, without columns that say nothing."""
    rows = [_cells(image, rung) for rung in image.rungs]
    kept = [number for number, heading in enumerate(_COLUMNS) if heading in _ALWAYS or any(row[number] for row in rows)]
    return [_COLUMNS[number] for number in kept], [[row[number] for number in kept] for row in rows]


def _cells(image: FittedImage, rung: FittedRung) -> list[str]:
    return [
        _limit(rung),
        _outcome(rung) + _mark(image, rung),
        _size(rung.peak_rss_bytes),
        _time(rung.cpu_ms),
        f"{rung.requests_per_second:,.0f}" if rung.requests_per_second is not None else "",
        *(_latency(one) for one in (rung.p50_us, rung.p95_us, rung.p99_us)),
        _size(rung.refaulted_bytes),
        _time(rung.stalled_ms),
    ]


def _limit(rung: FittedRung) -> str:
    return format_size(rung.limit_bytes) if rung.limit_bytes is not None else "no limit"


def _outcome(rung: FittedRung) -> str:
    if rung.passed == rung.trials:
        return f"{rung.passed} passed"
    failed = rung.trials - rung.passed - rung.killed
    counts = ((rung.passed, "passed"), (rung.killed, "OOM-killed"), (failed, "failed"))
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def _mark(image: FittedImage, rung: FittedRung) -> str:
    if rung.limit_bytes is None:
        return ""
    marks = {image.survives_bytes: "survives", image.comfortable_bytes: "comfortable"}
    if image.survives_bytes == image.comfortable_bytes:
        marks = {image.survives_bytes: "survives, comfortable"}
    return f" ← {marks[rung.limit_bytes]}" if rung.limit_bytes in marks else ""


def curve(image: FittedImage) -> list[str]:
    """Return a chart in lines: the CPU time at each limit. Empty if there is nothing to compare."""
    times = [rung.cpu_ms for rung in image.rungs if rung.cpu_ms is not None]
    if len(times) < 2 or max(times) == 0:
        return []
    width = max(len(_limit(rung)) for rung in image.rungs)
    lines = ["CPU time by limit"]
    for rung in image.rungs:
        if rung.cpu_ms is None:
            lines.append(f"{_limit(rung):>{width}}  ✗ {_outcome(rung)}")
            continue
        bar = "█" * max(1, round(_BAR * rung.cpu_ms / max(times)))
        lines.append(f"{_limit(rung):>{width}}  {bar:<{_BAR}} {_time(rung.cpu_ms)}{_mark(image, rung)}")
    return lines


def _size(size_bytes: int | None) -> str:
    return format_size(size_bytes) if size_bytes is not None else ""


def _time(duration_ms: int | None) -> str:
    """Return a time with enough digits to see a difference of 5 %."""
    if duration_ms is None:
        return ""
    return f"{duration_ms} ms" if duration_ms < 1000 else f"{duration_ms / 1000:,.2f} s"


def _latency(latency_us: int | None) -> str:
    return f"{latency_us / 1000:.1f} ms" if latency_us is not None else ""
