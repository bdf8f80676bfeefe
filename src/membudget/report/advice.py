"""The advised memory request and limit of an image in words: each with its sum, and what memory says about scaling."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from membudget.core.metric_words import format_reading
from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, MIB, format_percent, format_scale, format_size
from membudget.judge.cost import ImageCosts, image_costs
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.sizing import LoadGrowth, Margin, Need, Scaling, Sizing, growth_with_load, scaling, sizing
from membudget.report.findings import Finding

_LOADS = {
    Metric.RSS_PER_CONNECTION: "connection",
    Metric.RSS_PER_STREAM: "stream",
    Metric.RSS_PER_1000_REQUESTS: "1,000 requests",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What follows from the figures of an image for the place where it is deployed."""

    name: str
    today_bytes: int
    """The limit in the budgets file."""
    sizing: Sizing | None
    """None if the image has no figures that count."""
    scaling: Scaling | None
    growth: tuple[LoadGrowth, ...]
    costs: ImageCosts | None


def advice(image: ImageMeasurement, target_percent: int) -> Advice:
    """Return the advice for an image. `target_percent` is the target of a horizontal pod autoscaler."""
    side = image.side_for_maximums
    found = sizing(image, side) if side is not None else None
    return Advice(
        image.name,
        image.limit_bytes,
        found,
        scaling(found, target_percent) if found is not None else None,
        growth_with_load(side) if side is not None else (),
        image_costs(image),
    )


def kubernetes_size(size_bytes: int) -> str:
    """Return a size as a manifest has it, exactly: "80Mi"."""
    for unit, name in ((GIB, "Gi"), (MIB, "Mi")):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{name}"
    return str(size_bytes)


def quality(found: Sizing) -> str:
    """Return the quality of service that the request and the limit give a pod."""
    return "Guaranteed" if found.is_request_the_limit else "Burstable"


def sentences(one: Advice) -> Iterator[Finding]:
    """Yield the sums behind the request and the limit, then what memory says about scaling."""
    if one.sizing is None:
        yield Finding.of("no advice: its trials failed, a process was killed, or peak RSS is only a lower bound")
        return
    yield Finding.of(f"request {kubernetes_size(one.sizing.request_bytes)}: {_why_request(one.sizing)}")
    yield Finding.of(f"limit {kubernetes_size(one.sizing.limit_bytes)}: {_why_limit(one.sizing)}")
    yield Finding.of(f"quality of service: {_why_quality(one.sizing)}")
    least, most = kubernetes_size(one.sizing.request_bytes), kubernetes_size(one.sizing.limit_bytes)
    yield Finding.of(f"VPA: minAllowed {least}, maxAllowed {most}")
    if one.scaling is not None:
        yield Finding.of(f"HPA on memory: {_of_scaling(one.scaling)}")
    yield from map(Finding.of, _of_load(one.sizing, one.growth))


def _why_request(found: Sizing) -> str:
    if found.settled_bytes is None:
        return "the limit, because a container that ends with its work has no settled working set"
    return f"the settled working set of {format_size(found.settled_bytes)}{format_scale(found.scale)}, rounded up"


def _why_limit(found: Sizing) -> str:
    size = format_size(found.need_bytes)
    needed = f"{size} needed by the last fit" if found.need is Need.FIT else f"the largest peak RSS of {size}"
    unproven = "" if found.need is Need.FIT else ". `membudget fit` finds the smallest limit that works"
    return f"{needed}{format_scale(found.scale)} + {_margin(found.margin)}, rounded up{unproven}"


def _margin(margin: Margin) -> str:
    headroom = f"{format_percent(margin.headroom_percent)} headroom"
    if margin.bytes == margin.headroom_bytes:
        return f"{format_size(margin.bytes)} ({headroom})"
    return f"{format_size(margin.bytes)} (the next peak may be as far above the mean, which is more than {headroom})"


def _why_quality(found: Sizing) -> str:
    if found.is_request_the_limit:
        return "Guaranteed, if the CPU request is the CPU limit too"
    return "Burstable, because the request is below the limit"


def _of_scaling(one: Scaling) -> str:
    target = f"{one.target_percent}% of {format_size(one.request_bytes)}"
    share = format_percent(100 * one.at_rest)
    rest = f"at rest a pod uses {format_size(one.settled_bytes)}, {share} of its target ({target})"
    if one.rests_at is None:
        least = kubernetes_size(one.least_request_bytes)
        return f"never removes a pod: {rest}. Request {least} or more, or scale by something else"
    pods = f"{one.rests_at} pods" if one.rests_at > 1 else "1 pod"
    return f"removes pods down to {pods}: {rest}"


def _of_load(found: Sizing, growth: tuple[LoadGrowth, ...]) -> Iterator[str]:
    if not growth:
        yield "load: not known. To measure it, send 500 requests over some seconds, or ramp up 10 connections"
    for one in growth:
        unit = _LOADS[one.metric]
        per = f"{format_reading(one.metric, one.value)} for each {unit}"
        if not one.grows or not one.value.value:
            yield f"load: no growth with it, so memory is no measure to scale by: {per}"
            continue
        room = found.limit_bytes - (found.at_rest_bytes or 0)
        count = math.floor(room / one.value.value) * (1000 if one.metric is Metric.RSS_PER_1000_REQUESTS else 1)
        kind = "requests" if one.metric is Metric.RSS_PER_1000_REQUESTS else f"{unit}s"
        yield f"load: {per}, so {count:,} {kind} fill the limit"
