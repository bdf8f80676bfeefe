"""What images and groups are run and judged by: their specs, and their budgets in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from membudget.budgets.effective import MetricRules, effective_budgets, effective_phase_budgets, effective_totals
from membudget.budgets.entries import Budgets, ImageSpec


@dataclass(frozen=True, slots=True)
class ImageRules:
    """What one image is run and judged by."""

    spec: ImageSpec
    """How both sides are run, so that they can be compared: the head's, but for what counts from the base."""
    budgets: MetricRules
    phase_budgets: Mapping[str, MetricRules]
    settings_of_base: tuple[str, ...] = ()
    """Keys of what is measured, and files, that the head changes: both sides are compared with the base's."""
    own: ImageSpec | None = None
    """How the head is run by itself as well; None: as in `spec`."""
    own_counts: bool = False
    """Whether maximums hold for the head run by itself. Otherwise it is only shown, and all budgets hold for `spec`."""

    @property
    def judges_every_trial(self) -> bool:
        """Whether a single trial can break a budget."""
        return any(budget.every for rules in (self.budgets, *self.phase_budgets.values()) for budget in rules.values())


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What the sum of some images is judged by."""

    images: tuple[str, ...]
    budgets: MetricRules


def image_rules(spec: ImageSpec) -> ImageRules:
    """As its own file has them."""
    return ImageRules(spec, effective_budgets(spec), effective_phase_budgets(spec))


def group_rules(budgets: Budgets, name: str) -> GroupRules:
    """As its own file has them."""
    group = budgets.groups[name]
    return GroupRules(group.images or (), effective_totals(group.total.by_metric()))
