"""The result of `membudget measure` for several images, as JSON and on a terminal."""

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.closed_model import ClosedModel
from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric
from membudget.core.quantities import format_size, format_size_delta
from membudget.core.untrusted_text import printable
from membudget.judge.comparison import PeakComparison, PeakDifference, Ranking, ranked
from membudget.report.assumptions import workload_finding
from membudget.report.findings import findings
from membudget.report.formats.measure_report import MeasureReport, environment_line, failure_lines
from membudget.report.formats.tables import TerminalTable

_COLUMNS = (Metric.PEAK_MEMORY, Metric.OOM_KILLS, Metric.CPU_SECONDS, Metric.IMAGE_SIZE)
"""The figures in the table, besides the peak RSS."""
_DIGITS = (2, 3, 4)


class CompareReport(ClosedModel):
    """The model of what `membudget measure --json` prints for several images."""

    images: tuple[MeasureReport, ...]
    """In the order of the table: the smallest peak RSS first."""
    smallest: str | None
    """The image with the smallest peak RSS. None if no image could be measured."""
    comparisons: tuple[PeakComparison, ...]
    """The other images, compared with the smallest."""

    @property
    def is_complete(self) -> bool:
        """Whether every image has a figure, so that none is missing from the comparison."""
        return self.smallest is not None and not any(
            one.difference is PeakDifference.NOT_MEASURED for one in self.comparisons
        )


def compare_report(reports: Sequence[MeasureReport]) -> CompareReport:
    """Return the comparison of the images. An image with a failed trial is not compared."""
    by_name = {report.image: report for report in reports}
    found: Ranking = ranked({name: () if _has_failed(one) else one.judgeable_trials for name, one in by_name.items()})
    return CompareReport(
        images=tuple(by_name[name] for name in found.order), smallest=found.smallest, comparisons=found.others
    )


def _has_failed(report: MeasureReport) -> bool:
    return any(not trial.judgeable for trial in report.trials)


def render(report: CompareReport) -> RenderableType:
    """Return a row for each image, what happened in the trials, and how much more memory the others need."""
    parts: list[RenderableType] = [_table(report)]
    for image in report.images:
        parts += failure_lines(image, f"{printable(image.image)}: ")
        for finding in (*workload_finding(image.trials), *findings(image.trials)):
            if finding.is_grave:
                parts.append(Text(f"{printable(image.image)}: {finding.as_text()}", style="yellow"))
    parts.append(environment_line(report.images[0].environment))
    return Group(*parts, Text(), render_quietly(report))


def render_quietly(report: CompareReport) -> RenderableType:
    """Return only the sentences."""
    return Text("\n".join(_sentences(report)), style="bold")


def _sentences(report: CompareReport) -> Iterator[str]:
    by_name = {image.image: image for image in report.images}
    if report.smallest is None:
        yield "No comparison: no image has a peak RSS that its limit did not cut off."
        return
    peak = by_name[report.smallest].metrics[Metric.PEAK_RSS]
    yield f"Smallest peak RSS: {printable(report.smallest)}, {format_reading(Metric.PEAK_RSS, peak)}"
    for one in report.comparisons:
        image = by_name[one.image]
        more = (image.metrics[Metric.PEAK_RSS].value or 0) - (peak.value or 0)
        yield _sentence(one, image, printable(report.smallest), more)


def _sentence(one: PeakComparison, image: MeasureReport, smallest: str, more_bytes: int) -> str:
    name, trials = printable(one.image), len(image.trials)
    if one.difference is PeakDifference.NOT_MEASURED:
        why = image.metrics[Metric.PEAK_RSS].reason
        return f"{name}: not compared: {'a trial failed' if why is None or _has_failed(image) else printable(why)}"
    if one.difference is PeakDifference.CUT_OFF or one.ratio is None or one.low is None or one.high is None:
        return f"{name}: not compared: its limit cut off the peak"
    if one.difference is PeakDifference.NOT_FOUND:
        most, least = math.ceil(100 * one.high) / 100, math.floor(100 * one.low) / 100
        return f"{name}: no difference found, it needs {least:.2f} to {most:.2f} × the memory of {smallest}"
    if one.difference is PeakDifference.UNCERTAIN:
        few = "1 trial is" if trials == 1 else f"{trials} trials are"
        return (
            f"{name} needs about {one.ratio:.2f} × the memory of {smallest}; {few} too few to say how exact this is"
            " (use --trials 5)"
        )
    ratio = _ratio_words(one.ratio, one.low, one.high)
    return f"{name} needs {ratio} × the memory of {smallest} ({format_size_delta(more_bytes)})"


def _ratio_words(ratio: float, low: float, high: float) -> str:
    """Return "1.42 ± 0.03". The interval that it stands for contains the computed one, and does not contain 1."""
    digits, rounded, margin = 0, ratio, 0.0
    for digits in _DIGITS:
        unit = 10.0**-digits
        rounded = round(ratio, digits)
        margin = max(unit, unit * math.ceil(round(max(rounded - low, high - rounded) / unit, 6)))
        if rounded - margin > 1:
            break
    return f"{rounded:.{digits}f} ± {margin:.{digits}f}"


def _table(report: CompareReport) -> TerminalTable:
    labels = [metric.definition.label for metric in _COLUMNS]
    rows = []
    for image in report.images:
        figures = [format_reading(metric, image.metrics[metric]) for metric in _COLUMNS]
        cells = [format_reading(Metric.PEAK_RSS, image.metrics[Metric.PEAK_RSS]), _range(image), *figures]
        style = "bold" if image.image == report.smallest else ""
        rows.append([Text(printable(image.image), style=style), *map(Text, cells)])
    headings = ("image", "peak RSS", "of all trials", *labels)
    return TerminalTable(headings, rows, frozenset(headings[1:]))


def _range(image: MeasureReport) -> str:
    """Return the smallest and the largest peak of the trials."""
    peaks = [trial.metrics[Metric.PEAK_RSS].value for trial in image.judgeable_trials]
    known = [peak for peak in peaks if peak is not None]
    if not known:
        return ""
    least, most = format_size(min(known)), format_size(max(known))
    return f"{least} to {most}" if least != most else f"all {least}"
