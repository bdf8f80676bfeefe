"""Findings about what images hold: which layers grew, why, and what could be saved."""

from collections.abc import Iterator

from membudget.contents.diff import LayerChange, LayerDetail
from membudget.contents.file_diff import ChangeKind
from membudget.contents.likeness import edited_words
from membudget.core.errors import shortened
from membudget.core.metrics import IMAGE_METRICS
from membudget.core.quantities import format_size, format_size_delta
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.report.findings import Finding, FindingKind
from membudget.report.hints import hint_fix, hint_words

LEAST_CAUSE_BYTES = 100_000
"""The smallest difference of a layer that is shown."""
_MOST_CAUSES = 3
_MOST_DETAILS = 3
_LONGEST_INSTRUCTION = 80
_LONGEST_EDIT = 60
_LEAST_SHARE = 0.05


def size_is_in_trouble(judged: ImageJudgement) -> bool:
    """Return whether a budget of the image itself, not of its memory, is broken or nearly so."""
    return any(row.metric in IMAGE_METRICS and row.verdict not in (None, Verdict.PASS) for row in judged.rows)


def changed_layers(image: ImageMeasurement) -> tuple[LayerChange, ...]:
    """Return the layers that changed most."""
    if image.contents_diff is None:
        return ()
    large = [layer for layer in image.contents_diff.layers if abs(layer.delta_bytes) >= LEAST_CAUSE_BYTES]
    return tuple(large[:_MOST_CAUSES])


def cause_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """Yield a sentence per layer: "+48.1 MiB `RUN pip install` (Dockerfile:14): pandas +31.0 MiB, numpy +17.2 MiB"."""
    for change in changed_layers(image):
        delta = f"{format_size_delta(change.delta_bytes)} "
        yield Finding((delta, *layer_words(change, image.dockerfile), *_details(change)), FindingKind.LAYER)


def layer_words(change: LayerChange, dockerfile: str | None, *, tells_kind: bool = True) -> Parts:
    """Return what changed a layer: its instruction with its place, and how that was edited, added or removed."""
    if change.is_upstream:
        return ("upstream: the base image changed",)
    parts: list[Part] = [Quoted(shortened(change.instruction, _LONGEST_INSTRUCTION) or "a layer without history")]
    parts += _place(dockerfile, change.dockerfile_lines)
    if change.edited_from is not None:
        parts += _edit(change.edited_from, change.instruction)
    elif tells_kind and change.kind in (ChangeKind.ADDED, ChangeKind.REMOVED):
        parts.append(f", {change.kind}")
    if change.stage_lines is not None:
        first, last = change.stage_lines
        parts.append(f", from the stage in lines {first} to {last}")
    return tuple(parts)


def _edit(before: str, after: str) -> Iterator[Part]:
    """Yield how an instruction was edited: "edited: without `php-xml`, with `php-intl`"."""
    gone, come = edited_words(before, after)
    yield ", edited"
    for number, (how, words) in enumerate((how, words) for how, words in (("without", gone), ("with", come)) if words):
        yield f"{', ' if number else ': '}{how} "
        yield Quoted(shortened(words, _LONGEST_EDIT))


def layer_details(change: LayerChange) -> tuple[LayerDetail, ...]:
    """Return the parts that explain a change, those first that changed in its direction."""
    least = _LEAST_SHARE * abs(change.delta_bytes)
    return tuple(one for one in change.details if abs(one.delta_bytes) >= least)[:_MOST_DETAILS]


def _details(change: LayerChange) -> Iterator[Part]:
    for number, detail in enumerate(layer_details(change)):
        yield ", " if number else ": "
        yield Quoted(detail.name)
        yield f" {format_size_delta(detail.delta_bytes)}"


def hint_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """Yield a sentence for each hint, with the bytes that it would save."""
    if image.head is None or image.head.contents is None:
        return
    for hint in image.head.contents.hints:
        yield Finding(
            (
                f"{format_size(hint.saves_bytes)} could be saved: {hint_words(hint)}, like ",
                Quoted(hint.example),
                *_place(image.dockerfile, hint.dockerfile_lines),
                f"; {hint_fix(hint)}",
            ),
            FindingKind.HINT,
        )


def _place(dockerfile: str | None, lines: tuple[int, int] | None) -> list[Part]:
    if dockerfile is None or lines is None:
        return []
    return [" (", Quoted(f"{dockerfile}:{lines[0]}"), ")"]
