"""What memory costs where images are deployed, in words: a table, the steps that a change crosses, and their place."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from membudget.budgets.cost import Deployment
from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Part, Quoted
from membudget.judge.cost import Costs, ImageCosts, image_costs
from membudget.judge.measurement import ImageMeasurement
from membudget.report.findings import Finding
from membudget.report.story_parts import Item, Items, Keep, Section, Sheet

COST_HEADINGS = ("image", "limit", "memory a pod", "pods a node", "nodes", "a month", "energy a month")
_NO_VALUE = "–"


def cost_rows(images: Sequence[ImageMeasurement]) -> list[tuple[Part, ...]]:
    """Return rows for each image with `[cost]`: what base and head need, and the limit of today."""
    return [row for image in images if (found := image_costs(image)) is not None for row in _rows(image.name, found)]


def _rows(name: str, found: ImageCosts) -> Iterator[tuple[Part, ...]]:
    sizes = (("advised for base", found.base), ("advised for head", found.head), ("today's", found.today))
    shown = [(what, costs) for what, costs in sizes if costs is not None]
    for number, (what, costs) in enumerate(shown):
        yield (Quoted(name) if number == 0 else "", what, *_cells(costs, found.where))


def _cells(costs: Costs, where: Deployment) -> tuple[str, str, str, str, str]:
    placed = costs.placed
    return (
        format_size(costs.pod_bytes),
        str(placed.pods_a_node) if placed is not None else _NO_VALUE,
        str(placed.nodes) if placed is not None and placed.nodes is not None else _NO_VALUE,
        money(costs.month, where) if costs.month is not None else _NO_VALUE,
        f"{costs.kwh} kWh" if costs.kwh is not None else _NO_VALUE,
    )


def cost_findings(images: Sequence[ImageMeasurement]) -> Iterator[Finding]:
    """Yield for each image what head costs more or less than base, and what today's limit costs more or less."""
    for image in images:
        found = image_costs(image)
        if found is None:
            continue
        if found.head is None:
            continue
        of_base = step_words(found.base, found.head, found.where) if found.base is not None else ""
        if of_base:
            yield Finding((Quoted(image.name), f": {of_base}"))
        of_today = step_words(found.today, found.head, found.where)
        if of_today:
            yield Finding((Quoted(image.name), f": with the advised limit instead of today's: {of_today}"))


def crossed(images: Sequence[ImageMeasurement]) -> Finding | None:
    """Return the first step that the head crosses: another number of nodes. None if it crosses none."""
    for image in images:
        found = image_costs(image)
        if found is None or found.base is None or found.head is None:
            continue
        if _nodes(found.base) != _nodes(found.head):
            return Finding((Quoted(image.name), f" {step_words(found.base, found.head, found.where)}"))
    return None


def _nodes(costs: Costs) -> int | None:
    return costs.placed.nodes if costs.placed is not None else None


def step_words(before: Costs, after: Costs, where: Deployment) -> str:
    """Return the difference in words: "5 → 4 pods a node: +2 nodes, +$61.86 a month". Empty if there is none."""
    if before.placed != after.placed and before.placed is not None and after.placed is not None:
        pods = f"{before.placed.pods_a_node} → {after.placed.pods_a_node} pods a node"
        if after.placed.nodes is None:
            return f"{pods}: a pod is larger than what a node has for it"
        if before.placed.nodes is None or before.month is None or after.month is None:
            return pods
        nodes = after.placed.nodes - before.placed.nodes
        if not nodes:
            return f"{pods}, as many nodes"
        unit = "node" if abs(nodes) == 1 else "nodes"
        return f"{pods}: {nodes:+d} {unit}, {_more(after.month - before.month, where)}"
    if before.month is None or after.month is None or before.month == after.month:
        return ""
    sizes = f"{format_size(before.pod_bytes)} → {format_size(after.pod_bytes)} a pod"
    return f"{sizes}: {_more(after.month - before.month, where)}"


def _more(difference: Decimal, where: Deployment) -> str:
    sign = "-" if difference < 0 else "+"
    return f"{sign}{money(abs(difference), where)} a month"


def money(amount: Decimal, where: Deployment) -> str:
    """Return an amount with its currency: "$61.86", "61.86 EUR"."""
    return f"{amount:,} {where.currency}" if where.currency.isalpha() else f"{where.currency}{amount:,}"


def cost_step(images: Sequence[ImageMeasurement]) -> Section:
    """Return the first step that the head crosses where its images are deployed. Empty if it crosses none."""
    step = crossed(images)
    return Section(Keep.WHY, (Items((Item(step),) if step is not None else (), "Cost"),))


def costs_section(images: Sequence[ImageMeasurement]) -> Section:
    """Return what the images cost where they are deployed. Empty without `[cost]`."""
    blocks = (Sheet(COST_HEADINGS, tuple(cost_rows(images))), Items(tuple(map(Item, cost_findings(images)))))
    return Section(Keep.DETAILS, blocks, Finding(("Cost of each image",)))
