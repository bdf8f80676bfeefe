"""What a fit found, on a terminal and as Markdown: the rungs, the curve, both answers and their sum."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.untrusted_text import printable
from membudget.judge.fitted import FittedImage
from membudget.report.findings import Finding
from membudget.report.fit_report import FitReport
from membudget.report.fit_words import (
    answer_sentences,
    closing_sentences,
    fit_blocks,
    settings_sentence,
    sum_sentence,
    took_words,
)
from membudget.report.formats import markdown, terminal


def render(report: FitReport) -> RenderableType:
    """Return the report for rich. What most readers want comes last, where a terminal shows it."""
    parts: list[RenderableType] = []
    for image in report.images:
        parts += _image(image)
    if (total := sum_sentence(report)) is not None:
        parts.append(Text(total, style="bold"))
    parts += [Text(Finding(sentence).as_text()) for sentence in closing_sentences(report)]
    return Group(*parts)


def _image(image: FittedImage) -> Iterator[RenderableType]:
    blocks = list(fit_blocks(image))
    if blocks:
        yield Text(f"{printable(image.name)}, {took_words(image)}", style="bold")
    for block in blocks:
        yield from (terminal.rendered(block), Text())
    first, *others = (Finding(sentence).as_text() for sentence in answer_sentences(image))
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
        parts.append(" ".join(Finding(sentence).as_markdown() for sentence in answer_sentences(image)))
        blocks = [markdown.whole(block, markdown.elements(block), None) for block in fit_blocks(image)]
        if blocks:
            parts.append(markdown.folded(Finding((took_words(image),)), "\n\n".join(blocks)))
    if (total := sum_sentence(report)) is not None:
        parts.append(f"**{total}**")
    parts += [Finding(sentence).as_markdown() for sentence in closing_sentences(report)]
    return "\n\n".join(parts)
