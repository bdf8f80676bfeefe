"""Heads that are run with their own settings as well, beside the runs that are compared with the base."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from membudget.budgets.entries import ImageSpec
from membudget.budgets.rules import ImageRules
from membudget.build.revision import BuiltImage, Side
from membudget.check.building import Built, Order
from membudget.check.pairing import Pair
from membudget.check.subject import OwnRun
from membudget.judge.measurement import Presence
from membudget.measure.trial import TrialInputs

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
