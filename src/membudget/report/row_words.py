"""The reasons for the verdict on a row in words. Each budget is named by its key, with its own figure."""

from collections.abc import Iterable, Sequence

from membudget.core.definition import Better, Unit
from membudget.core.metric_words import format_delta, format_reading, format_value
from membudget.core.metrics import Metric
from membudget.core.quantities import format_percent, format_size
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.judge.bounds import Bound, BoundKind, Exceeded
from membudget.judge.metric import Row, Trouble, Verdict
from membudget.judge.reasons import (
    AroundMaximum,
    Excepted,
    Excuse,
    GrowthCutOff,
    GrowthNotJudged,
    GrowthReason,
    LowerBound,
    MaximumReason,
    MaybeOverMaximum,
    MaybeWorsened,
    MissingReason,
    NotMeasured,
    NotWorsened,
    OverMaximum,
    RowReason,
    SpikeMissed,
    TrialsMayBeOver,
    TrialsReachedLimit,
    TrialsUnread,
    TrialsWereOver,
    WideEstimate,
    Worsened,
)

_EXCUSES = {
    Excuse.NO_BASE_VALUE: "there is no base value",
    Excuse.NEW: "the image is new",
    Excuse.NO_BASE_REVISION: "there is no base revision",
    Excuse.BASE_WAIVED: "its base could not be measured, and that was approved",
    Excuse.NO_HISTORY: "the history has no figure of it yet",
    Excuse.HISTORY_NOT_USABLE: "the history has no figure that can be compared on this machine",
    Excuse.SETTINGS_CHANGED: "the head does not run with the base's settings any more, and the change was approved or"
    " merged",
}


_OVER = {Better.LESS: "over", Better.MORE: "under"}
_UP_TO = {Better.LESS: "up to ", Better.MORE: "down to "}
_GREW = {Better.LESS: "grew", Better.MORE: "fell"}
_GROWTH = {Better.LESS: "growth", Better.MORE: "drop"}
"""How a metric gets worse, by which of its values are better."""


def key_of(metric: Metric, kind: BoundKind) -> str:
    """Return the key that sets a bound of a metric in the budgets file, below the metric's own."""
    is_count = metric.definition.unit is Unit.COUNT and kind is BoundKind.WARN_MAX
    return "warn" if is_count else kind.value  # a count is warned of from one number on: `warn = 2`


def bound_words(metric: Metric, bound: Bound) -> str:
    """Return a bound with its name, for charts: "max 96.0 MiB", "growth up to 73.2 MiB", "drop down to 1,350/s"."""
    is_plain = bound.kind in (BoundKind.MAX, BoundKind.WARN_MAX, BoundKind.MIN, BoundKind.WARN_MIN)
    up_to = "" if is_plain else _UP_TO[bound.kind.better]
    return f"{key_of(metric, bound.kind)} {up_to}{format_value(metric, bound.level)}"


def bound_in_words(metric: Metric, worst: int) -> str:
    """Return the worst value that something may have: "up to 96.0 MiB", "down to 1,350/s"."""
    return f"{_UP_TO[metric.definition.better]}{format_value(metric, worst)}"


def headroom_words(row: Row) -> str:
    """Return how much is left to the nearest bound, or by how much each broken one is exceeded. Empty if unknown."""
    if row.exceeded:
        return ", ".join(_over(row.metric, one.bound.kind, one.excess) for one in row.exceeded)
    if row.nearest is None or row.headroom is None:
        return ""
    if row.headroom < 0:
        return _over(row.metric, row.nearest.kind, -row.headroom)
    return f"{format_value(row.metric, row.headroom)} to {key_of(row.metric, row.nearest.kind)}"


def _over(metric: Metric, kind: BoundKind, excess: int) -> str:
    how = "over" if kind.is_growth else _OVER[kind.better]  # a drop that is too large is over what is allowed
    return f"{how} {key_of(metric, kind)} by {format_value(metric, excess)}"


def exceeded_words(metric: Metric, exceeded: Exceeded) -> Parts:
    """Return by how much a bound is broken: "7.1 MiB over `max` 96.0 MiB", "150/s under `min` 1,500/s"."""
    excess, key = format_value(metric, exceeded.excess), key_of(metric, exceeded.bound.kind)
    if exceeded.bound.kind.is_growth:
        return (f"{excess} more than ", Quoted(key), " allows")
    return (f"{excess} {_OVER[exceeded.bound.kind.better]} ", *_named(metric, exceeded.bound))


def broken_in_short(row: Row) -> Parts | None:
    """Return which bounds of a failing row are broken, without the figures that the row shows in the table.

    None if that is not all that the row's reasons say.
    """
    if row.verdict is not Verdict.FAIL or not all(isinstance(one, OverMaximum | Worsened) for one in row.reasons):
        return None
    broken = (_broken(row.metric, one.bound.kind) for one in row.exceeded)
    return (f"{row_label(row)} ", *joined(broken, " and "))


def _broken(metric: Metric, kind: BoundKind) -> Parts:
    key = Quoted(key_of(metric, kind))
    if kind.is_growth:
        return (f"{_GREW[kind.better]} more than ", key, " allows")
    return ("leaves less than ", key) if kind is BoundKind.HEADROOM else (f"is {_OVER[kind.better]} ", key)


def row_label(row: Row) -> str:
    """Return the name of a row."""
    label = row.metric.definition.label
    since = f"since {row.since}" if row.since is not None else None  # a plain word, whoever wrote it: budgets/creep
    of = ", ".join(part for part in (row.phase, "own settings" if row.is_own else None, since) if part)
    return f"{label} ({of})" if of else label


def row_reason(row: Row) -> Parts:
    """Return the reasons for a row's verdict, to follow the metric's name. Empty if there are none."""
    growth = "creep" if row.since is not None else _GROWTH[row.metric.definition.better]
    said = joined((_row_reason(row.metric, reason, growth) for reason in row.reasons), " and ")
    return (*said, *_added(row)) if row.verdict not in (None, Verdict.PASS) else said


def _added(row: Row) -> Parts:
    """Return which commits added most to a metric that has grown since a release or a date."""
    added = row.then.added if row.then is not None else ()
    each = ((Quoted(f"{one.commit[:10]} {one.subject}"), f" ({format_delta(row.metric, one.growth)})") for one in added)
    return ("; most came with ", *joined(each, ", ")) if added else ()


def row_sentence(row: Row, label: str | None = None) -> Parts:
    """Return what is wrong with a row, as a sentence about `label`, which is the row's name by default."""
    why, label = row_reason(row), label or row_label(row)
    match row.trouble:
        case Trouble.UNCLEAR:
            return _explained(f"{label} is inconclusive", why)
        case Trouble.NOT_MEASURED:
            return _explained(f"{label} was not measured", why)
        case Trouble.BASE_NOT_MEASURED:
            return _explained(f"{label} of the base was not measured", why)
        case _:
            return (f"{label} ", *why)


def joined(sentences: Iterable[Sequence[Part]], between: str) -> Parts:
    """Join sentences, with `between` between them. Empty ones are left out."""
    parts: list[Part] = []
    for sentence in sentences:
        parts += [between] if parts and sentence else []
        parts += sentence
    return tuple(parts)


def _explained(said: str, why: Parts) -> Parts:
    return (f"{said}: ", *why) if why else (said,)


def _row_reason(metric: Metric, reason: RowReason, growth: str) -> Parts:
    match reason:
        case NotMeasured() | LowerBound() | TrialsUnread() | SpikeMissed():
            return _missing(metric, reason)
        case Worsened() | MaybeWorsened() | NotWorsened() | GrowthCutOff() | GrowthNotJudged():
            return _of_growth(metric, reason, growth)
        case _:
            return _of_maximum(metric, reason)


def _missing(metric: Metric, reason: MissingReason) -> Parts:
    match reason:
        case NotMeasured(why, is_base):
            return (Quoted(why),) if why else ("the base has no value",) if is_base else ()
        case LowerBound(value):
            return (f"it is {format_reading(metric, value)} (", Quoted(value.precision or ""), ")")
        case TrialsUnread(count, of):
            return (f"{count} of {of} trials have no value",)
        case SpikeMissed(head, base, precision):
            sides = [f"the head's may be {bound_in_words(metric, head)}"] if head is not None else []
            sides += [f"the base's may be {bound_in_words(metric, base)}"] if base is not None else []
            return (f"{' and '.join(sides)} (", Quoted(precision), ")")


def size_or_dash(size_bytes: int | None) -> str:
    """Return a size, or a dash if it is unknown."""
    return format_size(size_bytes) if size_bytes is not None else "–"


def _of_maximum(metric: Metric, reason: MaximumReason) -> Parts:  # noqa: PLR0911 - one for each kind
    match reason:
        case OverMaximum(bound, excess):
            return ("is ", *exceeded_words(metric, Exceeded(bound, bound.level + bound.kind.better.sign * excess)))
        case MaybeOverMaximum(bound, low, high):
            doubt = f": its median is {_range(metric, low, high)}"
            return (f"it may be {_OVER[bound.kind.better]} ", *_named(metric, bound), doubt)
        case AroundMaximum(bound, low, high):
            return (*_named(metric, bound), f" is within its noise: its median is {_range(metric, low, high)}")
        case TrialsWereOver():
            return _trials_over(metric, reason)
        case TrialsMayBeOver(count, of, worst):
            return (f"{count} of {of} trials may be {bound_in_words(metric, worst)}: a spike was missed",)
        case TrialsReachedLimit(at_limit):
            return (f"reached the limit in {at_limit.count} of {_trials(at_limit.of)}",)
        case WideEstimate(low, high):
            bounds = f"{format_value(metric, low)} to {format_value(metric, high)}"
            return (f"it is {bounds}; use a longer ramp, more load or more trials",)
        case Excepted(until, beyond):
            more = (", and ", *_trials_over(metric, beyond)) if beyond is not None else ()
            return (f"has an exception until {until.isoformat()}", *more)


def _of_growth(metric: Metric, reason: GrowthReason, growth: str) -> Parts:
    better = metric.definition.better
    match reason:
        case Worsened(before, after, bound, _):
            change = format_value(metric, abs(after - before))
            percent = f" ({format_percent(100 * (after - before) / before, signed=True)})" if before else ""
            return (f"{_GREW[better]} by {change}{percent}, ", *exceeded_words(metric, Exceeded(bound, after)))
        case MaybeWorsened(low, high, tolerated):
            allowed = f" allows {format_value(metric, tolerated)}"
            by = f"{format_value(metric, low)} to {format_value(metric, high)}"
            return (f"it {_GREW[better]} by {by}, and ", Quoted(growth), allowed)
        case NotWorsened(low, high):
            ends = (low, high) if better is Better.LESS else (-high, -low)
            return (f"shows no {_GROWTH[better]} beyond its noise: {_delta_range(metric, *ends)}",)
        case GrowthCutOff(count, of):
            return (f"the limit cut its peak off in {count} of {of} trials: raise the limit to see how much it grew",)
        case GrowthNotJudged(excuse, images):
            of_images = "" if images is None else f"of {images} of its images: "
            return (f"{growth} is not judged: {of_images}{_EXCUSES[excuse]}",)


def _named(metric: Metric, bound: Bound) -> Parts:
    """Return a maximum with its name and its figure."""
    name, most = Quoted(key_of(metric, bound.kind)), format_value(metric, bound.level)
    return (f"{most}, the most that ", name, " allows") if bound.kind is BoundKind.HEADROOM else (name, f" {most}")


def _trials_over(metric: Metric, reason: TrialsWereOver) -> Parts:
    trials, bound = reason.trials, reason.bound
    by = f" in {trials.count} of {_trials(trials.of)}, by up to {format_value(metric, bound.worse_by(trials.worst))}"
    return (f"was {_OVER[bound.kind.better]} ", *_named(metric, bound), by)


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _range(metric: Metric, low: int, high: int) -> str:
    return f"between {format_value(metric, low)} and {format_value(metric, high)}"


def _delta_range(metric: Metric, low: int, high: int) -> str:
    return f"between {format_delta(metric, low)} and {format_delta(metric, high)}"
