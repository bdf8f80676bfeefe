"""Finds budgets that are well-formed but cannot work.

Examples are limits under which no container starts, and budgets that no container can exceed.
"""

from collections.abc import Iterable, Mapping, Sequence

from membudget.budgets.budget_tables import DurationBudget, LatencyBudget, RateBudget, SizeBudget
from membudget.budgets.creep import CreepingSize
from membudget.budgets.entries import MOST_MEMBERS, Budgets, BudgetsFile, ImageSpec
from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses, dotted, similar
from membudget.budgets.lines import Keys
from membudget.budgets.metric_budgets import MetricBudgets
from membudget.budgets.rules import effective
from membudget.budgets.salvage import Salvaged
from membudget.budgets.workload import HttpWorkload
from membudget.budgets.workload_parts import Requests
from membudget.core.definition import Aggregation
from membudget.core.errors import shortened
from membudget.core.metrics import BOUNDED_BY_LIMIT, OF_REQUESTS, Metric
from membudget.core.quantities import MIB, format_size

SMALLEST_LIMIT_BYTES = 8 * MIB
"""Below this limit, one would only measure the container runtime's own start (4 to 7 MiB, runc #4021)."""

_LONGEST_LIST = 200
"""The longest list of image names in an error, in characters. Each unknown name repeats the list."""


def impossible(image: ImageSpec, name: str, salvaged: Salvaged) -> list[Fault]:
    """Return the settings of the image `name` that cannot work, with defaults applied.

    Faults that may follow from what is lost of a broken file are left out.
    """
    table: Keys = ("images", name)
    faults = _senseless_every(image, table, salvaged)
    if not salvaged.doubts("images", name, "workload"):
        faults += _unreachable(image, table) + _without_requests(image, table) + _not_larger(image, table)
    if image.compose is not None and image.kubernetes is not None:
        faults.append(Fault((*table, "kubernetes"), "does not go with compose", None, "one of the two", is_of_key=True))
    if not salvaged.doubts("images", name, "compose") and not salvaged.doubts("images", name, "kubernetes"):
        faults += _without_sidecars(image, table)
    if salvaged.doubts("images", name, "limit") or (image.limit is None and salvaged.doubts("defaults", "limit")):
        return faults
    if image.limit is None and (image.kubernetes is not None or salvaged.doubts("images", name, "kubernetes")):
        return faults  # the manifest says it, which is read later
    return faults + limit_faults(image, table)


def limit_faults(image: ImageSpec, table: Keys) -> list[Fault]:
    """Return the faults of a limit, and of budgets that it makes impossible."""
    if image.limit is None:
        allowed = 'a size, for this image or in [defaults]: limit = "256MiB"'
        return [Fault((*table, "limit"), "is missing", None, allowed)]
    if image.limit < SMALLEST_LIMIT_BYTES:
        allowed = f"{format_size(SMALLEST_LIMIT_BYTES)} or more: the container runtime alone needs 4 to 7 MiB"
        found = format_size(image.limit)
        return [Fault((*table, "limit"), "is too small for any container", found, allowed)]
    return _senseless_headroom(image, table) + _above_limit(image, table, image.limit)


def _above_limit(image: ImageSpec, table: Keys, limit_bytes: int) -> list[Fault]:
    """Return the maxima that no container can exceed, because the kernel kills it before."""
    return [
        Fault(
            (*table, "budgets", metric.value, "max"),
            "is above the memory limit: the kernel kills the container before it can exceed this budget",
            format_size(maximum),
            f"the memory limit, {format_size(limit_bytes)}, or less",
        )
        for metric in BOUNDED_BY_LIMIT
        if (maximum := _maximum(image, metric)) is not None and maximum > limit_bytes
    ]


def too_many_members(file: BudgetsFile) -> list[Fault]:
    """Return the fault of groups that contain more images than a report can hold."""
    if file.members <= MOST_MEMBERS:
        return []
    what = "list too many images in total; a group without `images` contains every image"
    return [Fault(("groups",), what, f"{file.members:,}", f"{MOST_MEMBERS:,} at most")]


def unknown_images(raw: Mapping[str, object], guesses: Guesses) -> list[Fault]:
    """Return the images that groups and exceptions name and a parsed file does not define. The file may be broken."""
    names = tuple(_table(raw.get("images")))
    known, listed = frozenset(names), shortened(", ".join(names), _LONGEST_LIST)
    named: list[tuple[Keys, object]] = []
    for group, table in _table(raw.get("groups")).items():
        named += [(("groups", group, "images", number), one) for number, one in _items(_table(table).get("images"))]
    for number, table in _items(raw.get("exceptions")):
        named.append((("exceptions", number, "image"), _table(table).get("image")))
    for number, table in _items(raw.get("manifests")):
        named += [
            (("manifests", number, "containers", container), image)
            for container, image in _table(_table(table).get("containers")).items()
        ]
    unknown = [(keys, image) for keys, image in named if isinstance(image, str) and image not in known]
    what = "names an image that this file does not define"
    return [Fault(keys, what, image, listed, guesses.similar(image, lambda: names)) for keys, image in unknown]


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Iterable[tuple[int, object]]:
    return enumerate(value) if isinstance(value, list) else ()


def conflicts(budgets: Budgets) -> list[Fault]:
    """Return the faults of groups: images that get budgets from two groups, and `every` on totals."""
    faults: list[Fault] = []
    budgeted: dict[str, str] = {}
    for group_name, group in budgets.groups.items():
        table: Keys = ("groups", group_name)
        for metric, total in group.total.by_metric().items():
            faults += [_no_matter_of_trials((*table, "total", metric.value))] if total.every else []
        faults += _named_twice(group.images or (), table)
        for image in dict.fromkeys(group.images or ()):
            if group.budgets != MetricBudgets() and image in budgeted:
                why = f"gives budgets to {image}, which already gets budgets from the group {budgeted[image]}"
                faults.append(Fault((*table, "budgets"), why, None, "budgets from one group for each image"))
            elif group.budgets != MetricBudgets():
                budgeted[image] = group_name
    return faults


def _named_twice(images: Sequence[str], table: Keys) -> list[Fault]:
    """Return the faults of a group that names an image more than once: its sums would count it twice."""
    return [
        Fault((*table, "images", number), "names an image that this group already has", image, "each image once")
        for number, image in enumerate(images)
        if image in images[:number]
    ]


def _senseless_headroom(image: ImageSpec, table: Keys) -> list[Fault]:
    """Return the faults of `headroom`: metrics that the limit does not bound, and headroom as large as the limit."""
    faults = []
    for metric in Metric:
        budget = image.budgets.of(metric)
        headroom = budget.headroom if isinstance(budget, SizeBudget) else None
        keys = (*table, "budgets", metric.value, "headroom")
        if headroom is not None and metric not in BOUNDED_BY_LIMIT:
            allowed = f"headroom for {', '.join(BOUNDED_BY_LIMIT)}"
            faults.append(Fault(keys, "does not apply: the memory limit does not bound this metric", None, allowed))
        elif headroom is not None and headroom.of(image.limit_bytes) >= image.limit_bytes:
            allowed = f"less than the memory limit, {format_size(image.limit_bytes)}"
            faults.append(Fault(keys, "is not smaller than the memory limit", format_size(headroom.size or 0), allowed))
    return faults


def _senseless_every(image: ImageSpec, table: Keys, salvaged: Salvaged) -> list[Fault]:
    """Return the faults of `every` for metrics that have one value for all trials, or without a maximum."""
    budgets = [((*table, "budgets", metric.value), metric, image.budgets.of(metric)) for metric in Metric]
    for name, phase in image.phases.items():
        phase_table = (*table, "phases", name)
        budgets += [((*phase_table, metric.value), metric, budget) for metric, budget in phase.by_metric.items()]
    faults = []
    for keys, metric, budget in budgets:
        if not isinstance(budget, SizeBudget | DurationBudget | LatencyBudget | RateBudget) or not budget.every:
            continue
        headroom = budget.headroom if isinstance(budget, SizeBudget) else None
        level = budget.min if isinstance(budget, RateBudget) else budget.max
        names = "`min`" if isinstance(budget, RateBudget) else "`max` or `headroom`"
        if metric.definition.aggregation is not Aggregation.MEDIAN:
            faults.append(_no_matter_of_trials(keys))
        elif level is None and headroom is None and not _may_be_set(keys, salvaged):
            what = f"needs a {'minimum' if isinstance(budget, RateBudget) else 'maximum'} for each trial"
            faults.append(Fault((*keys, "every"), what, None, f"every = true beside {names}"))
    return faults


def _may_be_set(keys: Keys, salvaged: Salvaged) -> bool:
    """Whether a broken file may set a maximum of this budget."""
    names = tuple(map(str, keys))
    return salvaged.doubts(*names) or salvaged.doubts("defaults", *names[2:]) or salvaged.doubts("groups")


def _no_matter_of_trials(keys: Keys) -> Fault:
    of_median = (metric for metric in Metric if metric.definition.aggregation is Aggregation.MEDIAN)
    allowed = f"in the budgets of an image or a phase, for {', '.join(of_median)}"
    what = "does not apply: there is one value for all trials, not one for each trial"
    return Fault((*keys, "every"), what, None, allowed)


def _unreachable(image: ImageSpec, table: Keys) -> list[Fault]:
    """Return the faults of phases that no trial of this workload has."""
    names = image.workload.phase_names
    faults = [
        Fault(
            (*table, "phases", name),
            "names a phase that this workload does not have",
            name,
            ", ".join(names),
            similar(name, names),
            is_of_key=True,
        )
        for name in image.phases
        if name not in names
    ]
    if image.unjudged_phases.issuperset(names):
        allowed = "at least one phase without `judged = false`"
        faults.append(Fault((*table, "phases"), "leave no phase to judge", None, allowed))
    return faults


def _without_requests(image: ImageSpec, table: Keys) -> list[Fault]:
    """Return the faults of rates and latencies that no trial of this workload measures."""
    counted = (
        group
        for part in image.workload.parts
        if isinstance(part.does, Requests) and part.phase not in image.unjudged_phases
        for group in part.does.groups
    )
    if any(not group.is_stream for group in counted):
        return []
    allowed = (
        'requests in a judged phase without `read_rate` and `read_for`, or `"null"` here to turn off a budget of'
        " [defaults] or a group"
    )
    return [
        Fault((*table, "budgets", metric.value), "needs a workload that sends requests", None, allowed, is_of_key=True)
        for metric in OF_REQUESTS
        if effective(image.budgets.of(metric), image.limit).is_set
    ]


def _not_larger(image: ImageSpec, table: Keys) -> list[Fault]:
    """Return the faults of larger bodies whose request the workload does not send, or whose own body is not smaller."""
    groups = image.workload.requests if isinstance(image.workload, HttpWorkload) else ()
    faults, paths = [], [group.path for group in groups]
    for path, larger in image.larger_bodies.items():
        keys = (*table, "larger_bodies", path)
        if path not in paths:
            allowed = shortened(", ".join(paths), _LONGEST_LIST) or 'a workload of kind "http" with this path'
            faults.append(Fault(keys, "names a path that the workload does not request", path, allowed, is_of_key=True))
        elif larger.body_size is not None:
            own = [group.body_size for group in groups if group.path == path]
            if any(size is None or size >= larger.body_size for size in own):
                allowed = "more than the `body_size` of this path in the workload, which must be set"
                found = format_size(larger.body_size)
                faults.append(Fault((*keys, "body_size"), "is not larger than the request's own", found, allowed))
    return faults


def _without_sidecars(image: ImageSpec, table: Keys) -> list[Fault]:
    """Return the fault of a pod budget for an image without sidecars."""
    has_budget = image.budgets.of(Metric.POD_PEAK_RSS) != CreepingSize()
    has_sidecars = image.kubernetes is not None or (image.compose is not None and image.compose.sidecars)
    if not has_budget or has_sidecars:
        return []
    allowed = f'peak_rss, or this budget with sidecars: {dotted(table)}.compose.sidecars = ["a-service"]'
    keys = (*table, "budgets", Metric.POD_PEAK_RSS.value)
    return [Fault(keys, "needs an image with sidecars", None, allowed, is_of_key=True)]


def _maximum(image: ImageSpec, metric: Metric) -> int | None:
    budget = image.budgets.of(metric)
    return budget.max if isinstance(budget, SizeBudget) else None
