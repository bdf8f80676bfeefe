"""How CI's memory compares with production's: on a terminal, as Markdown, and as JSON."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.closed_model import ClosedModel
from membudget.core.metrics import Metric
from membudget.core.untrusted_text import Quoted, in_markdown, in_plain_text, printable
from membudget.judge.production import CiNotMeasured, ComparedUse, ImageFidelity, NotSeen, Production, Reach
from membudget.report.formats.tables import TerminalTable, markdown_table
from membudget.report.production_words import HEADINGS, meanings, rows, sentences
from membudget.version import VERSION

_TEXTS = 2
"""How many columns are text. The others are figures."""


def render(found: Sequence[ImageFidelity]) -> RenderableType:
    """Return the comparison for rich."""
    parts: list[RenderableType] = []
    if table := rows(found):
        cells = [[Text(in_plain_text(cell)) for cell in row] for row in table]
        parts += [TerminalTable(HEADINGS, cells, frozenset(HEADINGS[_TEXTS:])), Text()]
        parts += [Text(finding.as_text()) for finding in meanings(found)]
    for one in found:
        parts += (
            [Text(), Text(printable(one.name), style="bold")] if parts else [Text(printable(one.name), style="bold")]
        )
        parts += [Text(f"  {finding.as_text()}") for finding in sentences(one)]
    return Group(*parts)


def render_markdown(found: Sequence[ImageFidelity]) -> str:
    """Return the comparison as Markdown."""
    parts = []
    if table := rows(found):
        columns = [(heading, ":--" if number < _TEXTS else "--:") for number, heading in enumerate(HEADINGS)]
        parts.append("\n".join(markdown_table(columns, [[in_markdown(cell) for cell in row] for row in table])))
        parts.append("\n".join(f"- {finding.as_markdown()}" for finding in meanings(found)))
    for one in found:
        lines = [f"- {finding.as_markdown()}" for finding in sentences(one)]
        parts.append("\n".join([f"{in_markdown(Quoted(one.name))}:", "", *lines]))
    return "\n\n".join(parts) + "\n"


class ComparedReport(ClosedModel):
    """One kind of memory in CI and in production. Sizes are in bytes, shares in percent of production's peak."""

    metric: Metric
    ci_bytes: int
    ci_trials: tuple[int, ...]
    ci_is_lower_bound: bool
    ci_without_shared_bytes: int
    """How much shared memory was left out, because production's figure has none."""
    ci_includes_shared: bool
    """Whether shared memory counts all the same, because nobody knows how much there was."""
    production_max_bytes: int
    production_p99_bytes: int | None
    production_p99_of_pods_bytes: int | None
    percent: float
    """With the scale."""
    low_percent: float
    high_percent: float
    reach: Reach
    wanted_scale: float | None

    @classmethod
    def of(cls, one: ComparedUse) -> "ComparedReport":
        """Return a comparison as figures."""
        return cls(
            metric=one.metric,
            ci_bytes=one.of_ci.bytes,
            ci_trials=one.of_ci.samples,
            ci_is_lower_bound=one.of_ci.is_lower_bound,
            ci_without_shared_bytes=one.of_ci.shared_bytes,
            ci_includes_shared=one.of_ci.includes_shared,
            production_max_bytes=one.used.max_bytes,
            production_p99_bytes=one.used.p99_bytes,
            production_p99_of_pods_bytes=one.used.p99_of_pods_bytes,
            percent=one.percent,
            low_percent=one.low,
            high_percent=one.high,
            reach=one.reach,
            wanted_scale=one.wanted_scale,
        )


class ProductionReport(ClosedModel):
    """What was seen of an image in production."""

    selector: str
    days: int | None
    pods: int
    containers: int
    namespaces: int
    samples: int
    interval_s: float | None
    span_s: int | None
    missing_s: int | None
    oom_kills: int | None
    oom_killed_containers: int | None
    restarts: int | None
    limit_bytes: int | None
    is_partial: bool
    is_lower_bound: bool
    """Whether a limit cut off the peak."""

    @classmethod
    def of(cls, seen: Production) -> "ProductionReport":
        """Return what was seen as figures."""
        scrapes = seen.scrapes
        return cls(
            selector=seen.selector,
            days=seen.days,
            pods=seen.pods,
            containers=seen.containers,
            namespaces=seen.namespaces,
            samples=seen.samples,
            interval_s=scrapes.interval_s if scrapes is not None else None,
            span_s=scrapes.span_s if scrapes is not None else None,
            missing_s=scrapes.missing_s if scrapes is not None else None,
            oom_kills=seen.oom_kills,
            oom_killed_containers=seen.oom_killed,
            restarts=seen.restarts,
            limit_bytes=seen.limit_bytes,
            is_partial=seen.is_partial,
            is_lower_bound=seen.is_cut_off,
        )


class ImageReport(ClosedModel):
    """One image."""

    name: str
    scale: float
    compared: tuple[ComparedReport, ...]
    """The kinds of memory that both sides know. The first one decides."""
    production: ProductionReport | None
    reason: NotSeen | CiNotMeasured | None
    """Why nothing was compared."""


class FidelityReport(ClosedModel):
    """The model of what `membudget fidelity production --format json` prints."""

    membudget_version: str
    images: tuple[ImageReport, ...]


def as_json(found: Sequence[ImageFidelity]) -> str:
    """Return the comparison as JSON."""
    return FidelityReport(membudget_version=VERSION, images=tuple(map(_image, found))).model_dump_json(indent=1)


def _image(one: ImageFidelity) -> ImageReport:
    seen = one.production
    reasons = [what for what in (one.of_ci, seen) if isinstance(what, CiNotMeasured | NotSeen)]
    return ImageReport(
        name=one.name,
        scale=one.scale,
        compared=tuple(map(ComparedReport.of, one.compared)),
        production=ProductionReport.of(seen) if isinstance(seen, Production) else None,
        reason=reasons[0] if reasons else None,
    )
