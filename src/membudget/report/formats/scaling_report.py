"""How the memory of images grows with CPUs and connections, on a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.quantities import format_size
from membudget.core.untrusted_text import printable
from membudget.judge.scaled import ScaledImage, ScaledPoint
from membudget.report.findings import Finding
from membudget.report.formats.tables import TerminalTable
from membudget.report.scaling_report import ScalingReport
from membudget.report.scaling_words import answer_sentences, closing_sentences

_HEADINGS = ("CPUs", "connections", "trials", "peak RSS", "from", "to")


def render(report: ScalingReport) -> RenderableType:
    """Return the report for rich. Answers come after the figures that they follow from."""
    parts: list[RenderableType] = []
    for image in report.images:
        parts += _image(image)
    parts += [Text(Finding(sentence).as_text()) for sentence in closing_sentences(report)]
    return Group(*parts)


def _image(image: ScaledImage) -> Iterator[RenderableType]:
    if image.points:
        yield Text(printable(image.name), style="bold")
        yield TerminalTable(_HEADINGS, list(map(_row, image.points)), frozenset(_HEADINGS))
        yield Text()
    first, *others = (Finding(sentence).as_text() for sentence in answer_sentences(image))
    yield Text(first, style="bold")
    yield from map(Text, others)
    yield Text()


def _row(point: ScaledPoint) -> list[Text]:
    connections = "" if point.place.connections is None else str(point.place.connections)
    sizes = map(format_size, (point.median_bytes, min(point.peaks_bytes), max(point.peaks_bytes)))
    return [Text(cell) for cell in (str(point.place.cpus), connections, str(len(point.peaks_bytes)), *sizes)]
