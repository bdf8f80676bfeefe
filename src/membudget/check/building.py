"""Pairs the images of both sides, builds them, and decides what to measure."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from membudget.budgets.entries import Build, ImageSpec
from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.rules import ImageRules, image_rules
from membudget.build.revision import BuiltImage, Commit, NoBase, Side
from membudget.core.errors import BuildFailed
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, ProgressStep
from membudget.core.work import side_by_side
from membudget.judge.measurement import Failure, FailureStage, Presence
from membudget.judge.then import Then
from membudget.measure.pod_plan import PodPlan
from membudget.measure.trial import TrialInputs, TrialSpec
from membudget.report.notes import OTHER_SIDE_FAILED


@dataclass(frozen=True, slots=True)
class Pair:
    """The images of one name on both sides."""

    name: str
    presence: Presence
    head: ImageSpec | None
    base: ImageSpec | None

    @property
    def builds(self) -> dict[Side, Build]:
        """What to build, base first. A removed image is not built, because there is nothing to compare it with."""
        if self.head is None:
            return {}
        return ({Side.BASE: self.base.build} if self.base else {}) | {Side.HEAD: self.head.build}


def paired(
    head_images: Mapping[str, ImageSpec], base_images: Mapping[str, ImageSpec], revision: Commit | NoBase
) -> Iterator[Pair]:
    """Yield head's images in the order of its file, then the images that head removed. `revision` is the base's."""
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
    """The tools that building needs."""

    def build(self, name: str, side: Side, spec: Build, checkout: Path, on_line: Callable[[str], None]) -> BuiltImage:
        """Build an image in the caller's thread. Raises BuildFailed."""

    @property
    def build_jobs(self) -> int:
        """How many images may be built side by side."""

    def cancel_builds(self) -> None:
        """Stop the running builds, from another thread."""


@dataclass(frozen=True, slots=True)
class PairOrder:
    """A pair to build, and the services that its compose file puts around it."""

    pair: Pair
    pod: PodPlan | None = None


def build_all(
    orders: Sequence[PairOrder], checkouts: Mapping[Side, Path], tools: BuildTools, progress: Progress
) -> dict[str, dict[Side, Built]]:
    """Build every order, several at a time. Returns the results by image name.

    The head of an image is built after its base, so that the builder's cache provides what they share.
    """

    def build(order: PairOrder) -> dict[Side, Built]:
        with progress.image(order.pair.name):
            built = _build(order.pair, checkouts, tools, progress)
            return _build_around(order, built, checkouts, tools)

    results = side_by_side(build, orders, tools.build_jobs, tools.cancel_builds)
    return {order.pair.name: built for order, built in zip(orders, results, strict=True)}


def _build(pair: Pair, checkouts: Mapping[Side, Path], tools: BuildTools, progress: Progress) -> dict[Side, Built]:
    def said(line: str) -> None:
        progress.output(f"{pair.name} │ {line}")  # lines of several builds are interleaved

    built: dict[Side, Built] = {}
    for side, spec in pair.builds.items():
        with progress.step(ProgressStep(pair.name, Doing.BUILD, side)):
            try:
                built[side] = _timed(partial(tools.build, pair.name, side, spec, checkouts[side], said))
            except BuildFailed as error:
                built[side] = Failure(FailureStage.BUILD, error.what, error.log_tail)
                progress.note(f"{pair.name} ({side}): build failed: {error.what}")
    return built


def _timed(build: Callable[[], BuiltImage]) -> BuiltImage:
    begun = time.monotonic()
    built = build()
    return replace(built, build_ms=round((time.monotonic() - begun) * 1000))


def _build_around(
    order: PairOrder, built: dict[Side, Built], checkouts: Mapping[Side, Path], tools: BuildTools
) -> dict[Side, Built]:
    """Build the services around an image.

    Sidecars are built for each side. Other services are built once, from head, for both sides.
    """
    pod = order.pod
    if pod is None or not pod.builds:
        return built
    around: dict[str, BuiltImage] = {}
    done: dict[Side, Built] = {}
    for side in sorted(built, reverse=True):  # head first, because base uses the same services
        image = built[side]
        try:
            for service, build in pod.builds.items():
                if side is Side.HEAD or service in pod.sidecars:
                    tag = f"{order.pair.name}.{service.lower()}"
                    if order.pair.builds[side].network == "none":
                        build = build.model_copy(update={"network": "none"})  # noqa: PLW2901 - closed as its image
                    around[service] = _timed(partial(tools.build, tag, side, build, checkouts[side], lambda _: None))
            done[side] = replace(image, beside={**around}) if isinstance(image, BuiltImage) else image
        except BuildFailed as error:
            done[side] = Failure(FailureStage.BUILD, f"of a service around it: {error.what}", error.log_tail)
    return {side: done[side] for side in built}


@dataclass(frozen=True, slots=True)
class OwnRun:
    """An additional run of the head with its own settings."""

    spec: ImageSpec
    built: Built
    inputs: TrialInputs
    counts: bool
    """Whether maxima are judged by this run."""


@dataclass(frozen=True, slots=True)
class BuiltPair:
    """A pair and the result of its builds."""

    pair: Pair
    built: Mapping[Side, Built]
    inputs: TrialInputs = field(default_factory=TrialInputs)
    """The inputs of both sides."""
    rules: ImageRules | None = None
    """The rules that the head is judged by. None if the image was removed."""
    exceptions: Mapping[Metric, ExceptionInForce] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_untouched: bool = False
    """Whether nothing that the image is built from differs, so that it was not built."""
    is_summed: bool = False
    """Whether a sum over a group needs its figures, even if nothing changed."""
    own: OwnRun | None = None
    """The additional run of the head with its own settings. None if the comparison already uses them."""
    is_own_run: bool = False
    """Whether this is such an additional run."""
    base_waived: bool = False
    """Whether growth need not be judged if the base does not work, because someone with the right to do so approved it.
    """
    then: Mapping[Metric, Then] = field(default_factory=dict)
    """What the history has for creep budgets."""

    needs_both: bool = False
    """Whether a side says nothing without the other one, so that it is then not run."""

    @property
    def is_run(self) -> bool:
        """Whether there is anything to run."""
        return len(self.images) == len(Side) if self.needs_both else bool(self.images)

    @property
    def why_not_run(self) -> str | None:
        """Why a side that was built may have no trials. None if it always has some."""
        return OTHER_SIDE_FAILED if self.needs_both else None

    def gives_up(self, results: Mapping[Side, Sequence[object]]) -> bool:
        """Return whether no side need be run any more, because one has failed."""
        return self.needs_both and any(isinstance(one, Failure) for side in results.values() for one in side)

    @property
    def images(self) -> dict[Side, BuiltImage]:
        """The sides that were built, base first."""
        return {side: image for side, image in self.built.items() if isinstance(image, BuiltImage)}

    @property
    def is_unchanged(self) -> bool:
        """Whether base and head are the same image under the same budgets file, so that there is nothing to measure."""
        identities = {image.identities for image in self.images.values()}
        is_one_image = len(self.images) == len(Side) and len(identities) == 1
        return is_one_image and self.pair.head == self.pair.base and not self.is_summed and self.own is None

    def took_ms(self, reused: Collection[Side], trials_s: float) -> int | None:
        """Return how long one side took: its build, and its share of the trials. None if no side was run anew.

        The slower build counts. The other one may have found everything in the builder's cache.
        """
        run = len(self.images) - len(reused)
        builds_ms = max((image.all_builds_ms for image in self.images.values()), default=0)
        return builds_ms + round(1000 * trials_s / run) if run > 0 else None

    def alone(self, own: OwnRun) -> "BuiltPair":
        """Return the head under its own settings as a subject of its own, as if there were no base."""
        spec, rules = own.spec, self.rules or image_rules(own.spec)
        judged_by = rules if own.counts else replace(rules, budgets={}, phase_budgets={})
        return BuiltPair(
            Pair(self.pair.name, Presence.HEAD_ONLY, spec, None),
            {Side.HEAD: own.built},
            own.inputs,
            replace(judged_by, spec=spec, own=None, settings_of_base=()),
            self.exceptions,
            is_summed=self.is_summed,
            is_own_run=True,
        )

    def trial_spec(self, image: BuiltImage, spec: ImageSpec) -> TrialSpec:
        """Return the spec for a trial of either side.

        Limit, workload and inputs are the same, so only the images differ.
        """
        rules = self.rules or image_rules(spec)
        return TrialSpec(
            name=self.pair.name,
            image_id=image.image_id,
            identity=image.identity,
            limit_bytes=spec.limit_bytes,
            timeout_ms=spec.timeout,
            workload=spec.workload,
            settle_ms=spec.settle,
            inputs=self.inputs,
            unjudged_phases=spec.unjudged_phases,
            pod_images={service: beside.image_id for service, beside in image.beside.items()},
            is_alone=rules.judges_pace,
            asks_live_heap=rules.asks_live_heap,
        )


BuiltImages = Mapping[str, Mapping[Side, Built]]
"""Build results by image and side."""


@dataclass(frozen=True, slots=True)
class OwnRuns:
    """The additional runs of one check."""

    rules: Mapping[str, ImageRules]
    inputs: Mapping[str, TrialInputs]
    """The inputs of the container in such a run, by image."""

    @property
    def orders(self) -> list[PairOrder]:
        """What to build only for these runs. If services run beside an image, they may differ from the comparison's."""
        return [
            PairOrder(Pair(_name(image), Presence.HEAD_ONLY, self.rules[image].own, None), inputs.pod)
            for image, inputs in self.inputs.items()
            if inputs.pod is not None
        ]

    def run(self, image: str, built: BuiltImages) -> OwnRun | None:
        """Return the additional run of one image. None if it has none, or no head that could run."""
        spec = self.rules[image].own if image in self.inputs else None
        if spec is None:
            return None
        inputs = self.inputs[image]
        head = built.get(_name(image) if inputs.pod is not None else image, {}).get(Side.HEAD)
        if head is None:
            return None
        if isinstance(head, BuiltImage) and inputs.pod is None:
            head = replace(head, beside={})
        return OwnRun(spec, head, inputs, self.rules[image].own_counts)


def own_runs(
    rules: Mapping[str, ImageRules], images: Iterable[str], inputs: Callable[[str, ImageSpec], TrialInputs]
) -> OwnRuns:
    """Return the additional runs of `images`. Raises whatever `inputs` raises."""
    given = {image: inputs(image, own) for image in images if image in rules and (own := rules[image].own) is not None}
    return OwnRuns(rules, given)


def _name(image: str) -> str:
    return f"{image}.own"
