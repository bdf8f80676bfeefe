"""Where an image's bytes are: which lines made it grow, and what could be saved."""

from collections.abc import Iterator

from membudget.contents.diff import Detail, LayerChange
from membudget.contents.file_diff import ChangeKind
from membudget.contents.image_metrics import IMAGE_METRICS
from membudget.core.quantities import format_size, format_size_delta
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Verdict
from membudget.judge.whole import ImageJudgement
from membudget.report.findings import Finding

LEAST_CAUSE_BYTES = 100_000
"""A layer that differs by less is not worth a reader's time."""
_MOST_CAUSES = 3
_MOST_DETAILS = 3
_LONGEST_INSTRUCTION = 80
_LEAST_SHARE = 0.05


def size_is_in_trouble(judged: ImageJudgement) -> bool:
    """Whether a budget of the image itself, not of its memory, is broken or near."""
    return any(row.metric in IMAGE_METRICS and row.verdict not in (None, Verdict.PASS) for row in judged.rows)


def causes(image: ImageMeasurement) -> tuple[LayerChange, ...]:
    """The layers that changed most."""
    if image.contents_diff is None:
        return ()
    large = [layer for layer in image.contents_diff.layers if abs(layer.delta_bytes) >= LEAST_CAUSE_BYTES]
    return tuple(large[:_MOST_CAUSES])


def cause_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """A sentence a layer: "+48.1 MiB `RUN pip install` (Dockerfile:14): pandas +31.0 MiB, numpy +17.2 MiB"."""
    for change in causes(image):
        parts: list[tuple[str, bool]] = [(f"{_delta(change.delta_bytes)} ", False)]
        if change.is_upstream:
            parts.append(("upstream: the base image moved", False))
        else:
            parts.append((change.instruction[:_LONGEST_INSTRUCTION] or "a layer without history", True))
            parts += _place(image.dockerfile, change.dockerfile_lines)
            if change.kind in (ChangeKind.ADDED, ChangeKind.REMOVED):
                parts.append((f", {change.kind}", False))
            if change.stage_lines is not None:
                first, last = change.stage_lines
                parts.append((f", from the stage in lines {first} to {last}", False))
        details = [one for one in change.details if abs(one.delta_bytes) >= _LEAST_SHARE * abs(change.delta_bytes)]
        for number, detail in enumerate(details[:_MOST_DETAILS]):
            parts += [(", " if number else ": ", False), *_detail(detail)]
        yield Finding(tuple(parts))


def hint_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """A sentence a hint, each with its price."""
    if image.head is None or image.head.contents is None:
        return
    for hint in image.head.contents.hints:
        yield Finding(
            (
                (f"{format_size(hint.saves_bytes)} could be saved: {hint.words}, like ", False),
                (hint.example, True),
                *_place(image.dockerfile, hint.dockerfile_lines),
                (f"; {hint.fix}", False),
            )
        )


def _place(dockerfile: str | None, lines: tuple[int, int] | None) -> list[tuple[str, bool]]:
    if dockerfile is None or lines is None:
        return []
    return [(" (", False), (f"{dockerfile}:{lines[0]}", True), (")", False)]


def _detail(detail: Detail) -> list[tuple[str, bool]]:
    return [(detail.name, True), (f" {_delta(detail.delta_bytes)}", False)]


def _delta(size: int) -> str:
    return format_size_delta(size)
