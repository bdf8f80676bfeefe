"""What the memory of an image costs where it is deployed: for base and head, for today's limit and the advised one."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from membudget.budgets.cost import Deployment, NodePlatform
from membudget.core.quantities import GIB
from membudget.judge.density import Density, density
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.sizing import sizing

_HOURS_A_MONTH = 730
_CENT = Decimal("0.01")
_KWH_A_GB_HOUR = Decimal("0.000392")
"""Source: the methodology of Cloud Carbon Footprint, "Memory"."""
_PUE = {
    NodePlatform.EKS: Decimal("1.135"),
    NodePlatform.GKE: Decimal("1.1"),
    NodePlatform.AKS: Decimal("1.185"),
    NodePlatform.NONE: Decimal(1),
}
"""The energy that a data centre takes for each unit that its machines take. Source: Cloud Carbon Footprint."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one size of the pod costs."""

    pod_bytes: int
    placed: Density | None
    """None if no node is known."""
    paid_bytes: int | None
    """The memory that is paid: that of the nodes if they are known, else that of the pods. None if no pod fits."""
    month: Decimal | None
    """The money for a month of 730 hours, to the cent."""
    kwh: Decimal | None
    """The energy for a month, in kWh."""


def costs(pod_bytes: int, where: Deployment) -> Costs:
    """Return what pods that request `pod_bytes` cost. Raises ValueError below 1."""
    placed = density(pod_bytes, where)
    paid = _paid(pod_bytes, placed, where)
    if paid is None:
        return Costs(pod_bytes, placed, None, None, None)
    hours = Decimal(paid) * _HOURS_A_MONTH
    month = (hours / GIB * Decimal(str(where.price))).quantize(_CENT, ROUND_HALF_UP)
    kwh = (hours / 10**9 * _KWH_A_GB_HOUR * _PUE[where.platform]).quantize(_CENT, ROUND_HALF_UP)
    return Costs(pod_bytes, placed, paid, month, kwh)


def _paid(pod_bytes: int, placed: Density | None, where: Deployment) -> int | None:
    if placed is None:
        return pod_bytes * where.replicas
    if placed.nodes is None or where.node_bytes is None:
        return None
    return placed.nodes * where.node_bytes


@dataclass(frozen=True, slots=True)
class ImageCosts:
    """What an image costs. A part is None if the image has no such figures."""

    where: Deployment
    base: Costs | None
    """At the limit that follows from the base's figures."""
    head: Costs | None
    """At the limit that follows from the head's figures."""
    today: Costs
    """At the limit that the budgets file sets."""


def image_costs(image: ImageMeasurement) -> ImageCosts | None:
    """Return what an image costs with its limit of today and with those that are advised. None without `[cost]`."""
    where = image.deployment
    if where is None:
        return None
    base, head = (sizing(image, side) if side is not None else None for side in (image.base, image.side_for_maximums))
    return ImageCosts(
        where,
        costs(base.limit_bytes, where) if base is not None else None,
        costs(head.limit_bytes, where) if head is not None else None,
        costs(max(1, image.limit_bytes), where),
    )
