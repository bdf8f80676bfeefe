"""An image's table of the budgets file, made of what was found about it and of what was measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from membudget.budgets.suggested import as_written, maximum_for
from membudget.core.quantities import MIB, format_size
from membudget.setup.measured import Failed, Measured
from membudget.setup.plan import ImagePlan, Setting, Way

_LIMIT_TO_BEGIN_WITH = 256 * MIB


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of the budgets file."""

    name: str
    settings: tuple[Setting, ...]
    workload: tuple[Setting, ...]
    remarks: tuple[str, ...] = ()
    """Comments above the table."""
    failure: str | None = None
    """Why the table is commented out. None if it counts."""
    log_tail: tuple[str, ...] = ()
    """The last lines of output, if it failed."""


def measured_entry(result: Measured) -> Entry:
    """Return the entry of an image that ran."""
    plan = result.plan
    settings = (plan.build, _limit(result), *_around(result.way), *_maxima(result))
    return Entry(plan.name, settings, result.way.workload, result.notes)


def failed_entry(result: Failed) -> Entry:
    """Return the entry of an image that does not build or run: what would be tried first, commented out."""
    unmeasured = unmeasured_entry(result.plan)
    return Entry(
        unmeasured.name, unmeasured.settings, unmeasured.workload, result.notes, result.reason, result.log_tail
    )


def unmeasured_entry(plan: ImagePlan) -> Entry:
    """Return the entry of an image that was not run."""
    way = plan.likely_way
    deployed = plan.found.limit
    if deployed is not None:
        limit = Setting("limit", as_written(deployed.value), (f"from {deployed.origin}",))
    else:
        limit = Setting("limit", as_written(_LIMIT_TO_BEGIN_WITH), ("TODO: not measured. A limit to begin with",))
    return Entry(plan.name, (plan.build, limit, *_around(way)), way.workload)


def _around(way: Way) -> tuple[Setting, ...]:
    return (way.around,) if way.around is not None else ()


def _limit(result: Measured) -> Setting:
    deployed = result.plan.found.limit
    if result.is_deployed and deployed is not None:
        comment = f"from {deployed.origin}"
    elif result.peak_rss_bytes is None:
        comment = "no deployed limit was found, and the container ended before its memory was sampled"
    else:
        comment = "no deployed limit was found: at least 1.5 times what it used, page cache in use included"
    return Setting("limit", as_written(result.limit_bytes), (comment,))


def _maxima(result: Measured) -> Iterator[Setting]:
    """Yield the budgets that follow from what was measured."""
    size, peak = result.image_size_bytes, result.peak_rss_bytes
    if size is not None:
        yield _maximum("image_size", size, maximum_for(size))
    if peak is not None:
        yield _maximum("peak_rss", peak, min(maximum_for(peak), result.limit_bytes))


def _maximum(metric: str, measured_bytes: int, maximum_bytes: int) -> Setting:
    over = 100 * (maximum_bytes - measured_bytes) / measured_bytes if measured_bytes else 0
    margin = f"+{over:.0f} %" if measured_bytes >= 10 * MIB else f"+{format_size(maximum_bytes - measured_bytes)}"
    comment = f"measured {format_size(measured_bytes)}; {margin}"
    return Setting(f"budgets.{metric}", {"max": as_written(maximum_bytes)}, (comment,))
