"""Finds budgets that are well-formed but cannot work.

Examples are limits under which no container starts, and budgets that no container can exceed.
"""

from membudget.budgets.entries import MOST_MEMBERS, Budgets, BudgetsFile, ImageSpec
from membudget.budgets.metric_budgets import DurationBudget, MetricBudgets, SizeBudget
from membudget.core.definition import Aggregation
from membudget.core.errors import BudgetsFileError, Problem, shortened
from membudget.core.metrics import BOUNDED_BY_LIMIT, Metric
from membudget.core.quantities import MIB, format_size

SMALLEST_LIMIT_BYTES = 8 * MIB
"""Below this limit, one would only measure the container runtime's own start (4 to 7 MiB, runc #4021)."""

_LONGEST_LIST = 200
"""The longest list of image names in an error, in characters. Each unknown name repeats the list."""


def impossible(image: ImageSpec, where: str) -> list[Problem]:
    """Return the settings of `image` that cannot work, with defaults applied. `where` is the image's own key path."""
    if image.limit is None:
        return [
            Problem(f"{where}.limit", "is missing", None, 'a size, for this image or in [defaults]: limit = "256MiB"')
        ]
    if image.limit < SMALLEST_LIMIT_BYTES:
        allowed = f"{format_size(SMALLEST_LIMIT_BYTES)} or more: the container runtime alone needs 4 to 7 MiB"
        return [Problem(f"{where}.limit", "is too small for any container", format_size(image.limit), allowed)]
    return (
        _unreachable(image, where)
        + _senseless_headroom(image, where)
        + _without_sidecars(image, where)
        + _senseless_every(image, where)
        + [
            Problem(
                f"{where}.budgets.{metric}.max",
                "is above the memory limit: the kernel kills the container before it can exceed this budget",
                format_size(maximum),
                f"the memory limit, {format_size(image.limit)}, or less",
            )
            for metric in BOUNDED_BY_LIMIT
            if (maximum := _maximum(image, metric)) is not None and maximum > image.limit
        ]
    )


def check_members(file: BudgetsFile, name: str) -> None:
    """Raise BudgetsFileError if the groups of the file `name` contain more images than a report can hold."""
    if file.members > MOST_MEMBERS:
        what = "list too many images in total; a group without `images` contains every image"
        raise BudgetsFileError([Problem(f"{name}: groups", what, f"{file.members:,}", f"{MOST_MEMBERS:,} at most")])


def unknown_images(budgets: Budgets, name: str) -> list[Problem]:
    """Return the problems of groups and exceptions.

    These are images that the file `name` does not have, images that get budgets from two groups, and `every` on totals.
    """
    known = shortened(", ".join(budgets.images), _LONGEST_LIST)
    problems = []
    budgeted: dict[str, str] = {}
    for group_name, group in budgets.groups.items():
        where = f"{name}: groups.{group_name}"
        for metric, total in group.total.by_metric().items():
            problems += [_no_matter_of_trials(f"{where}.total.{metric}")] if total.every else []
        for image in group.images or ():
            if image not in budgets.images:
                problems.append(
                    Problem(f"{where}.images", "names an image that this file does not define", image, known)
                )
            elif group.budgets != MetricBudgets() and image in budgeted:
                why = f"gives budgets to {image}, which already gets budgets from the group {budgeted[image]}"
                problems.append(Problem(f"{where}.budgets", why, None, "budgets from one group for each image"))
            elif group.budgets != MetricBudgets():
                budgeted[image] = group_name
    problems += [
        Problem(f"{name}: exceptions.{number}.image", "names an image that this file does not define", one.image, known)
        for number, one in enumerate(budgets.exceptions)
        if one.image not in budgets.images
    ]
    return problems


def _senseless_headroom(image: ImageSpec, where: str) -> list[Problem]:
    """Return the problems of `headroom`: metrics that the limit does not bound, and headroom as large as the limit."""
    problems = []
    for metric in Metric:
        budget = image.budgets.of(metric)
        headroom = budget.headroom if isinstance(budget, SizeBudget) else None
        key = f"{where}.budgets.{metric}.headroom"
        if headroom is not None and metric not in BOUNDED_BY_LIMIT:
            allowed = f"headroom for {', '.join(BOUNDED_BY_LIMIT)}"
            problems.append(Problem(key, "does not apply: the memory limit does not bound this metric", None, allowed))
        elif headroom is not None and headroom.of(image.limit_bytes) >= image.limit_bytes:
            allowed = f"less than the memory limit, {format_size(image.limit_bytes)}"
            problems.append(
                Problem(key, "is not smaller than the memory limit", format_size(headroom.size or 0), allowed)
            )
    return problems


def _senseless_every(image: ImageSpec, where: str) -> list[Problem]:
    """Return the problems of `every` for metrics that have one value for all trials, or without a maximum."""
    budgets = [(f"budgets.{metric}", metric, image.budgets.of(metric)) for metric in Metric]
    for name, phase in image.phases.items():
        budgets += [(f"phases.{name}.{metric}", metric, budget) for metric, budget in phase.by_metric.items()]
    problems = []
    for name, metric, budget in budgets:
        if not isinstance(budget, SizeBudget | DurationBudget) or not budget.every:
            continue
        headroom = budget.headroom if isinstance(budget, SizeBudget) else None
        if metric.definition.aggregation is not Aggregation.MEDIAN:
            problems.append(_no_matter_of_trials(f"{where}.{name}"))
        elif budget.max is None and headroom is None:
            problems.append(
                Problem(
                    f"{where}.{name}.every",
                    "needs a maximum for each trial",
                    None,
                    "every = true beside `max` or `headroom`",
                )
            )
    return problems


def _no_matter_of_trials(where: str) -> Problem:
    of_median = (metric for metric in Metric if metric.definition.aggregation is Aggregation.MEDIAN)
    allowed = f"in the budgets of an image or a phase, for {', '.join(of_median)}"
    return Problem(
        f"{where}.every", "does not apply: there is one value for all trials, not one for each trial", None, allowed
    )


def _unreachable(image: ImageSpec, where: str) -> list[Problem]:
    """Return the problems of phases that no trial of this workload has."""
    names = image.workload.phase_names
    problems = [
        Problem(f"{where}.phases.{name}", "names a phase that this workload does not have", name, ", ".join(names))
        for name in image.phases
        if name not in names
    ]
    if image.unjudged_phases.issuperset(names):
        problems.append(
            Problem(f"{where}.phases", "leave no phase to judge", None, "at least one phase without `judged = false`")
        )
    return problems


def _without_sidecars(image: ImageSpec, where: str) -> list[Problem]:
    """Return the problem of a pod budget for an image without sidecars."""
    has_budget = image.budgets.of(Metric.POD_PEAK_RSS) != SizeBudget()
    if not has_budget or (image.compose is not None and image.compose.sidecars):
        return []
    allowed = f'peak_rss, or this budget with sidecars: {where}.compose.sidecars = ["a-service"]'
    return [Problem(f"{where}.budgets.{Metric.POD_PEAK_RSS}", "needs an image with sidecars", None, allowed)]


def _maximum(image: ImageSpec, metric: Metric) -> int | None:
    budget = image.budgets.of(metric)
    return budget.max if isinstance(budget, SizeBudget) else None
