"""What is measured: an image of both sides that was built, what its trials are given, and what it is judged by."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from membudget.budgets.entries import ImageSpec
from membudget.budgets.exceptions import ExceptionInForce
from membudget.budgets.rules import ImageRules
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import Built, Order, Pair
from membudget.core.metrics import Metric
from membudget.judge.measurement import Presence
from membudget.measure.trial import TrialInputs, TrialSpec


@dataclass(frozen=True, slots=True)
class OwnRun:
    """The head run by itself, with its own settings."""

    spec: ImageSpec
    built: Built
    inputs: TrialInputs
    counts: bool
    """Whether maximums are judged by it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A pair that was built, or not."""

    pair: Pair
    built: Mapping[Side, Built]
    inputs: TrialInputs = field(default_factory=TrialInputs)
    """They hold for both sides."""
    rules: ImageRules | None = None
    """What the head is judged by; None: the image was removed."""
    exceptions: Mapping[Metric, ExceptionInForce] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_untouched: bool = False
    """Whether nothing that it comes from differs, so that it was not built."""
    is_summed: bool = False
    """Whether a sum over a group needs its figures, even when nothing changed."""
    own: OwnRun | None = None
    """How the head is run by itself as well; None: as it is for the comparison."""
    is_by_itself: bool = False
    """Whether it is such a run."""
    base_waived: bool = False
    """Whether growth need not be judged where the base does not work: somebody who may approved it."""

    @property
    def images(self) -> dict[Side, BuiltImage]:
        """The sides that were built, base first."""
        return {side: image for side, image in self.built.items() if isinstance(image, BuiltImage)}

    @property
    def is_unchanged(self) -> bool:
        """Whether base and head are one image under the same budgets file: there is nothing to find out."""
        identities = {image.identities for image in self.images.values()}
        is_one_image = len(self.images) == len(Side) and len(identities) == 1
        return is_one_image and self.pair.head == self.pair.base and not self.is_summed and self.own is None

    def trial_spec(self, image: BuiltImage, spec: ImageSpec) -> TrialSpec:
        """One trial of either side: limit, workload and inputs are the same for both, or those would be compared."""
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
        )


def most_trials(subject: Subject) -> int:
    """How many trials may be run of it, warm-ups among them."""
    head, own = subject.pair.head, subject.own
    of_pair = (head.trials.max + 1) * len(subject.images) if head is not None else 0
    return of_pair + (own.spec.trials.max + 1 if own is not None else 0)


BuiltImages = Mapping[str, Mapping[Side, Built]]
"""By image and side."""


@dataclass(frozen=True, slots=True)
class OwnRuns:
    """Those of one check."""

    rules: Mapping[str, ImageRules]
    inputs: Mapping[str, TrialInputs]
    """What a container is given in such a run, by image."""

    @property
    def orders(self) -> list[Order]:
        """What has to be built for them alone: where services run beside an image, they may be others."""
        return [
            Order(Pair(_name(image), Presence.HEAD_ONLY, self.rules[image].own, None), inputs.pod)
            for image, inputs in self.inputs.items()
            if inputs.pod is not None
        ]

    def run(self, image: str, built: BuiltImages) -> OwnRun | None:
        """The run of one image; None where it has none, or no head that could run."""
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
    """Those of `images`. Raises what `inputs` raises."""
    given = {image: inputs(image, own) for image in images if image in rules and (own := rules[image].own) is not None}
    return OwnRuns(rules, given)


def _name(image: str) -> str:
    return f"{image}.own"
