"""Shows an image on a terminal: figures, layers, largest folders and packages, and possible savings.

Shows diffs, too.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from membudget.contents.diff import ImageDiff
from membudget.contents.origin import OriginSource
from membudget.contents.summary import FolderSummary, ImageSummary, LayerSummary
from membudget.core.metric_words import format_delta, format_reading
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import format_size, format_size_delta
from membudget.core.untrusted_text import in_plain_text, printable
from membudget.report.formats.image_report import DiffReport, InspectReport
from membudget.report.formats.tables import TerminalTable
from membudget.report.hints import hint_fix, hint_words
from membudget.report.image_findings import layer_details, layer_words

_MOST_FOLDERS = 14
_MOST_PACKAGES = 12
_MOST_LAYERS = 30
_MOST_CHANGES = 15
_LONGEST_INSTRUCTION = 90
_NEARLY_ALL = 0.95
_BLANK = Text()
_FIGURES = frozenset({"value", "size", "waste", "delta"})
"""The headings of right-aligned columns."""


def of_image(report: InspectReport) -> RenderableType:
    """Return a report about one image, for rich."""
    found = report.contents
    parts: list[RenderableType] = [
        Text(f"{printable(report.image)}, {printable(found.platform)}", style="bold"),
        _figures(report.metrics),
        Text(_waste(found), style="dim"),
        _BLANK,
        _layers(found.layers, found.layer_count),
        _BLANK,
        _folders(found),
    ]
    if found.packages:
        parts += [_BLANK, _packages(found)]
    if found.hints:
        parts += [_BLANK, _hints(found)]
    return Group(*parts)


def of_diff(report: DiffReport) -> RenderableType:
    """Return a report about two images, for rich."""
    found = report.diff
    heading = f"{printable(report.base_image)} → {printable(report.head_image)}"
    parts: list[RenderableType] = [Text(heading, style="bold"), _both_figures(report)]
    if found.layers:
        parts += [_BLANK, _changed_layers(found)]
    else:
        parts += [_BLANK, Text(f"all {found.same_layers} layers are the same")]
    if found.packages:
        rows = [
            [
                _plain(f"{one.ecosystem} {one.name}"),
                _plain(", ".join(one.base_versions) or "–"),
                _plain(", ".join(one.head_versions) or "–"),
                Text(format_size_delta(one.head_bytes - one.base_bytes)),
                Text(format_size(one.head_bytes)),
            ]
            for one in found.packages[:_MOST_CHANGES]
        ]
        table = TerminalTable(("package", "base", "head", "delta", "size"), rows, _FIGURES)
        parts += [_BLANK, table, *_more(len(found.packages), _MOST_CHANGES, "packages")]
    resized = [file for file in found.files if file.head_bytes != file.base_bytes]
    if found.files:
        rows = [
            [
                _plain(f"/{file.path}{f' (from {file.moved_from})' if file.moved_from is not None else ''}"),
                Text(file.kind.value),
                Text(format_size_delta(file.head_bytes - file.base_bytes)),
                Text(format_size(file.head_bytes)),
            ]
            for file in resized[:_MOST_CHANGES]
        ]
        table = TerminalTable(("file", "", "delta", "size"), rows, _FIGURES)
        totals = ", ".join(f"{one.files} {one.kind} ({format_size_delta(one.delta_bytes)})" for one in found.totals)
        parts += [_BLANK, *([table] if rows else []), Text(f"all files: {totals}", style="dim")]
    return Group(*parts)


def _figures(metrics: dict[Metric, MetricValue]) -> TerminalTable:
    rows = []
    for metric, value in metrics.items():
        note = printable((value.reason if value.value is None else value.precision) or "")
        rows.append([Text(metric.definition.label), Text(format_reading(metric, value)), Text(note, style="dim")])
    return TerminalTable(("metric", "value", "precision"), rows, _FIGURES)


def _both_figures(report: DiffReport) -> TerminalTable:
    rows = []
    for metric, head in report.metrics.items():
        base = report.base_metrics[metric]
        known = head.value is not None and base.value is not None
        delta = format_delta(metric, (head.value or 0) - (base.value or 0)) if known else "–"
        cells = (metric.definition.label, format_reading(metric, base), format_reading(metric, head), delta)
        rows.append(list(map(Text, cells)))
    return TerminalTable(("metric", "base", "head", "delta"), rows, _FIGURES | {"base", "head"})


def _waste(found: ImageSummary) -> str:
    if found.inherited_waste_bytes is None:
        return "which layers the base image brought is not known: name its Dockerfile with --dockerfile"
    own = found.waste_bytes - found.inherited_waste_bytes
    return f"waste: {format_size(own)} own, {format_size(found.inherited_waste_bytes)} of the base image"


def _layers(layers: Sequence[LayerSummary], count: int) -> Group:
    rows = [
        [
            Text(str(number)),
            Text(format_size(layer.file_bytes)),
            Text(format_size(layer.file_bytes - layer.live_bytes) if layer.file_bytes > layer.live_bytes else ""),
            _made_by(layer.instruction, layer.dockerfile_lines, layer.source, is_inherited=bool(layer.is_inherited)),
        ]
        for number, layer in enumerate(layers[:_MOST_LAYERS])
    ]
    table = TerminalTable(("layer", "size", "waste", "made by"), rows, _FIGURES)
    return Group(table, *_more(count, _MOST_LAYERS, "layers"))


def _made_by(instruction: str, lines: tuple[int, int] | None, source: OriginSource, *, is_inherited: bool) -> Text:
    text = Text(printable(instruction, _LONGEST_INSTRUCTION) or "(no history)")
    if lines is not None:
        text.append(f"  line {lines[0]}{_by(source)}", "cyan")
    if is_inherited:
        text.append("  base image", "dim")
    return text


def _by(source: OriginSource) -> str:
    return f", by {source}" if source is OriginSource.PROVENANCE else ""


def _folders(found: ImageSummary) -> Tree:
    """Return the largest folders, each below the nearest shown folder that contains it."""
    root = Tree(f"/  {format_size(found.live_bytes)}")
    nodes: dict[str, Tree] = {"": root}
    for folder in _chosen(found.folders):  # largest first, so parents come before their children
        parent = folder.path
        while parent not in nodes:
            parent = parent.rpartition("/")[0]
        shown = folder.path.removeprefix(f"{parent}/") if parent else folder.path
        files = "1 file" if folder.files == 1 else f"{folder.files:,} files"
        nodes[folder.path] = nodes[parent].add(
            Text.assemble(f"{printable(shown)}  {format_size(folder.file_bytes)}", (f"  {files}", "dim"))
        )
    return root


def _chosen(folders: Sequence[FolderSummary]) -> Iterator[FolderSummary]:
    """Return the largest folders.

    If one makes up nearly all of another, only the inner one is kept: its path names both.
    """
    largest_within: dict[str, int] = {}
    for folder in folders:
        parent = folder.path.rpartition("/")[0]
        largest_within[parent] = max(largest_within.get(parent, 0), folder.file_bytes)
    shown = (
        folder
        for folder in folders
        if folder.path and largest_within.get(folder.path, 0) < _NEARLY_ALL * folder.file_bytes
    )
    return islice(shown, _MOST_FOLDERS)


def _packages(found: ImageSummary) -> Group:
    rows = [
        [_plain(f"{one.ecosystem} {one.name}"), _plain(one.version), Text(format_size(one.file_bytes))]
        for one in found.packages[:_MOST_PACKAGES]
    ]
    table = TerminalTable(("package", "version", "size"), rows, _FIGURES)
    return Group(table, *_more(found.package_count, _MOST_PACKAGES, "packages"))


def _hints(found: ImageSummary) -> Group:
    lines: list[RenderableType] = [Text("could be saved", style="bold")]
    for hint in found.hints:
        line = f" (line {hint.dockerfile_lines[0]})" if hint.dockerfile_lines is not None else ""
        lines.append(
            Text.assemble(
                (f"{format_size(hint.saves_bytes)}  ", "yellow"),
                f"{hint_words(hint)}, like {printable(hint.example)}{line}",
                (f"\n  → {hint_fix(hint)}", "dim"),
            )
        )
    return Group(*lines)


def _changed_layers(found: ImageDiff) -> Group:
    """Return the layers that grew or shrank, each with what changed it, and the number of the others."""
    moved = [layer for layer in found.layers if layer.delta_bytes]
    rows = []
    for layer in moved[:_MOST_CHANGES]:
        made_by = Text("".join(map(in_plain_text, layer_words(layer, None, tells_kind=False))))
        if layer.dockerfile_lines is not None:
            made_by.append(f"  line {layer.dockerfile_lines[0]}{_by(layer.source)}", "cyan")
        details = (f"{printable(one.name)} {format_size_delta(one.delta_bytes)}" for one in layer_details(layer))
        words = ", ".join(details)
        made_by.append(f"\n{words}" if words else "", "dim")
        rows.append([Text(layer.kind.value), Text(format_size_delta(layer.delta_bytes)), made_by])
    table = TerminalTable(("layer", "delta", "made by"), rows, _FIGURES)
    alike = len(found.layers) - len(moved)
    said = [Text(f"{_layers_are(alike)} as large as before, with other content", style="dim")] if alike else []
    same = Text(f"{_layers_are(found.same_layers)} the same", style="dim")
    return Group(*([table] if rows else []), *_more(len(moved), _MOST_CHANGES, "layers"), *said, same)


def _layers_are(count: int) -> str:
    return "1 layer is" if count == 1 else f"{count} layers are"


def _plain(text: str) -> Text:
    """Return text from an image, made printable."""
    return Text(printable(text))


def _more(count: int, most: int, what: str) -> list[RenderableType]:
    return [Text(f"and {count - most:,} more {what} (--json has more)", style="dim")] if count > most else []
