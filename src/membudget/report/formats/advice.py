"""The advice for the images of a report: on a terminal, as Markdown, as JSON, and as YAML for a manifest."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.core.closed_model import ClosedModel
from membudget.core.untrusted_text import Part, Quoted, in_markdown, in_plain_text, printable
from membudget.judge.cost import Costs
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.sizing import Need
from membudget.report.advice import Advice, kubernetes_size, quality, sentences
from membudget.report.costs import COST_HEADINGS, cost_findings, cost_rows
from membudget.report.formats.tables import TerminalTable, markdown_table

_HEADINGS = ("image", "request", "limit", "limit today", "quality of service")
_NO_VALUE = "–"


def render(found: Sequence[Advice], images: Sequence[ImageMeasurement]) -> RenderableType:
    """Return the advice for `images`, in the same order, for rich."""
    parts: list[RenderableType] = [_terminal_table(_HEADINGS, _rows(found), 1)]
    for one in found:
        parts += [Text(), Text(printable(one.name), style="bold")]
        parts += [Text(f"  {finding.as_text()}") for finding in sentences(one)]
    if rows := cost_rows(images):
        parts += [Text(), _terminal_table(COST_HEADINGS, rows, 2), Text()]
        parts += [Text(finding.as_text()) for finding in cost_findings(images)]
    return Group(*parts)


def render_markdown(found: Sequence[Advice], images: Sequence[ImageMeasurement]) -> str:
    """Return the advice for `images`, in the same order, as Markdown."""
    parts = [_markdown_table(_HEADINGS, _rows(found), 1)]
    for one in found:
        lines = [f"- {finding.as_markdown()}" for finding in sentences(one)]
        parts.append("\n".join([f"{in_markdown(Quoted(one.name))}:", "", *lines]))
    if rows := cost_rows(images):
        parts.append(_markdown_table(COST_HEADINGS, rows, 2))
        parts += ["\n".join(f"- {finding.as_markdown()}" for finding in cost_findings(images))]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_yaml(found: Sequence[Advice]) -> str:
    """Return the resources of each image as a manifest has them. Images without advice are left out."""
    return "\n".join(_yaml(one) for one in found if one.sizing is not None)


def _yaml(one: Advice) -> str:
    assert one.sizing is not None  # noqa: S101 - as asked before
    return "\n".join([
        f"# {printable(one.name)}",
        "resources:",
        "  requests:",
        f"    memory: {kubernetes_size(one.sizing.request_bytes)}",
        "  limits:",
        f"    memory: {kubernetes_size(one.sizing.limit_bytes)}",
        "",
    ])  # fmt: skip


def _rows(found: Sequence[Advice]) -> list[tuple[Part, ...]]:
    return [(Quoted(one.name), *_cells(one)) for one in found]


def _cells(one: Advice) -> Iterator[str]:
    today = kubernetes_size(one.today_bytes)
    if one.sizing is None:
        yield from (_NO_VALUE, _NO_VALUE, today, _NO_VALUE)
        return
    yield kubernetes_size(one.sizing.request_bytes)
    yield kubernetes_size(one.sizing.limit_bytes)
    yield today
    yield quality(one.sizing)


def _terminal_table(headings: Sequence[str], rows: Sequence[Sequence[Part]], texts: int) -> TerminalTable:
    """Return a table whose first columns are text. The others are figures."""
    cells = [[Text(in_plain_text(cell)) for cell in row] for row in rows]
    return TerminalTable(headings, cells, frozenset(headings[texts:]))


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[Part]], texts: int) -> str:
    columns = [(heading, ":--" if number < texts else "--:") for number, heading in enumerate(headings)]
    return "\n".join(markdown_table(columns, [[in_markdown(cell) for cell in row] for row in rows]))


class CostReport(ClosedModel):
    """What a limit costs. Money and energy are for a month of 730 hours."""

    pod_bytes: int
    pods_a_node: int | None
    nodes: int | None
    month: str | None
    """The money, with two decimals."""
    kwh: str | None

    @classmethod
    def of(cls, costs: Costs | None) -> "CostReport | None":
        """Return the costs as figures. None if there are none."""
        if costs is None:
            return None
        placed = costs.placed
        return cls(
            pod_bytes=costs.pod_bytes,
            pods_a_node=placed.pods_a_node if placed is not None else None,
            nodes=placed.nodes if placed is not None else None,
            month=str(costs.month) if costs.month is not None else None,
            kwh=str(costs.kwh) if costs.kwh is not None else None,
        )


class ImageAdvice(ClosedModel):
    """The advice for one image. Sizes are in bytes."""

    name: str
    today_bytes: int
    request_bytes: int | None
    """None if no figures of the image count."""
    limit_bytes: int | None
    need: Need | None
    need_bytes: int | None
    """In CI, as `settled_working_set_bytes` is. Request and limit are for production."""
    scale: float
    """How many times as much memory production needs."""
    margin_bytes: int | None
    spread_bytes: int | None
    settled_working_set_bytes: int | None
    can_scale_down: bool | None
    """Whether a horizontal autoscaler that goes by memory ever removes a pod. None if that is not known."""
    rests_at_pods: int | None
    """How many pods stay when all are at rest."""
    currency: str | None
    base_cost: CostReport | None
    head_cost: CostReport | None
    today_cost: CostReport | None


class AdviceReport(ClosedModel):
    """The model of what `membudget advise --format json` prints."""

    membudget_version: str
    hpa_target_percent: int
    images: tuple[ImageAdvice, ...]


def image_advice(one: Advice) -> ImageAdvice:
    """Return the advice for an image as figures."""
    found, scaling, costs = one.sizing, one.scaling, one.costs
    return ImageAdvice(
        name=one.name,
        today_bytes=one.today_bytes,
        request_bytes=found.request_bytes if found is not None else None,
        limit_bytes=found.limit_bytes if found is not None else None,
        need=found.need if found is not None else None,
        need_bytes=found.need_bytes if found is not None else None,
        scale=found.scale if found is not None else 1.0,
        margin_bytes=found.margin.bytes if found is not None else None,
        spread_bytes=found.margin.spread_bytes if found is not None else None,
        settled_working_set_bytes=found.settled_bytes if found is not None else None,
        can_scale_down=scaling.can_scale_down if scaling is not None else None,
        rests_at_pods=scaling.rests_at if scaling is not None else None,
        currency=costs.where.currency if costs is not None else None,
        base_cost=CostReport.of(costs.base) if costs is not None else None,
        head_cost=CostReport.of(costs.head) if costs is not None else None,
        today_cost=CostReport.of(costs.today) if costs is not None else None,
    )
