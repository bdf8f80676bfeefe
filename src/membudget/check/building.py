"""Which images pair up, and how both sides are built."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from membudget.budgets.entries import Build, ImageSpec
from membudget.build.revision import BuiltImage, Commit, NoBase, Side
from membudget.core.errors import BuildFailed
from membudget.core.progress import Progress
from membudget.core.threads import side_by_side
from membudget.judge.measurement import Failure, FailureStage, Presence
from membudget.measure.pod_plan import PodPlan


@dataclass(frozen=True, slots=True)
class Pair:
    """The image of one name on both sides."""

    name: str
    presence: Presence
    head: ImageSpec | None
    base: ImageSpec | None

    @property
    def builds(self) -> dict[Side, Build]:
        """What to build, base first. A removed image is not built: there is nothing to compare it with."""
        if self.head is None:
            return {}
        return ({Side.BASE: self.base.build} if self.base else {}) | {Side.HEAD: self.head.build}


def paired(
    head_images: Mapping[str, ImageSpec], base_images: Mapping[str, ImageSpec], revision: Commit | NoBase
) -> Iterator[Pair]:
    """Head's images in the order of its file, then the ones that it dropped. `revision`: the base's."""
    for name, head in head_images.items():
        base = base_images.get(name)
        if isinstance(revision, NoBase):
            yield Pair(name, Presence.HEAD_ONLY, head, None)
        else:
            yield Pair(name, Presence.BOTH if base else Presence.NEW, head, base)
    for name, base in base_images.items():
        if name not in head_images:
            yield Pair(name, Presence.REMOVED, None, base)


Built = BuiltImage | Failure


class BuildTools(Protocol):
    """What building needs done."""

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        """Build an image, in the caller's thread. Raises BuildFailed."""

    @property
    def build_jobs(self) -> int:
        """How many images may be built side by side."""

    def cancel_builds(self) -> None:
        """End the builds that run, from another thread."""


@dataclass(frozen=True, slots=True)
class Order:
    """A pair to build, and what its compose file puts around it."""

    pair: Pair
    pod: PodPlan | None = None


def build_all(
    orders: Sequence[Order], checkouts: Mapping[Side, Path], tools: BuildTools, progress: Progress
) -> dict[str, dict[Side, Built]]:
    """Build every order, some at a time; by the names of their images.

    Of one image, head is built after base, so that what they share comes from the builder's cache.
    """

    def build(order: Order) -> dict[Side, Built]:
        built = _build(order.pair, checkouts, tools, progress)
        return _build_around(order, built, checkouts, tools)

    results = side_by_side(build, orders, tools.build_jobs, tools.cancel_builds)
    return {order.pair.name: built for order, built in zip(orders, results, strict=True)}


def _build(pair: Pair, checkouts: Mapping[Side, Path], tools: BuildTools, progress: Progress) -> dict[Side, Built]:
    def said(line: str) -> None:
        progress.output(f"{pair.name} │ {line}")  # lines of several builds come mixed

    built: dict[Side, Built] = {}
    for side, spec in pair.builds.items():
        with progress.working(f"{pair.name} ({side})"):
            try:
                built[side] = tools.build(pair.name, side, spec, checkouts[side], said)
            except BuildFailed as error:
                built[side] = Failure(FailureStage.BUILD, error.what, error.log_tail)
                progress.note(f"{pair.name} ({side}): build failed: {error.what}")
    return built


def _build_around(
    order: Order, built: dict[Side, Built], checkouts: Mapping[Side, Path], tools: BuildTools
) -> dict[Side, Built]:
    """Build the services around an image: sidecars of each side, what is only needed of head for both."""
    pod = order.pod
    if pod is None or not pod.builds:
        return built
    around: dict[str, BuiltImage] = {}
    done: dict[Side, Built] = {}
    for side in sorted(built, reverse=True):  # head first: base takes what they share
        image = built[side]
        try:
            for service, build in pod.builds.items():
                if side is Side.HEAD or service in pod.sidecars:
                    tag = f"{order.pair.name}.{service.lower()}"
                    if order.pair.builds[side].network == "none":
                        build = build.model_copy(update={"network": "none"})  # noqa: PLW2901 - closed as its image
                    around[service] = tools.build(tag, side, build, checkouts[side], lambda _: None)
            done[side] = replace(image, beside={**around}) if isinstance(image, BuiltImage) else image
        except BuildFailed as error:
            done[side] = Failure(FailureStage.BUILD, f"of a service around it: {error.what}", error.log_tail)
    return {side: done[side] for side in built}
