"""What memory is used for without need, as far as the trials prove it, and what that memory costs.

A rule is broken if every trial of the head that knows its figures breaks it. Findings never change a verdict.
"""

import bisect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from membudget.budgets.cost import Deployment
from membudget.budgets.memory_rules import MemoryRule
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.cost import costs
from membudget.judge.larger_bodies import HELD_SHARE
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.measure.probe.process_use import Snapshot
from membudget.measure.trial import Outcome, PhaseName, Trial

LEAST_BYTES = 16 * MIB
LEAST_SHARE = 0.1
"""Less memory than that, or than that part of the limit, is not worth a word."""
MARGIN = 0.05
"""The part of a smaller limit that stays free above the peak working set."""
SIDECAR_SHARE = 1 / 3
"""Sidecars that hold less than that part of the pod are not worth a word."""
KEPT_SHARE = 0.8
"""With less than that part of what the load added, most of it was returned, or may have been."""
RETURNED_SHARE = 0.5
NEAR_PEAK = 0.9
"""A look at the processes that shows less than that part of the peak RSS proves nothing."""
HUGE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class UsedMemory:
    """The memory that a rule is about, in one trial."""

    found_bytes: int
    of_bytes: int
    """The whole that it is a part of."""
    saved_bytes: int | None = None
    """How much less the pod could need at most. None if no trial shows it."""
    rest_bytes: int = 0
    """What is left for the program: with page cache, the peak working set; with kept memory, the settled RSS; with
    bodies, by how much one of them grew.
    """
    subject: str | None = None
    """The largest sidecar, or the request. It is text from outside. None for other rules."""
    count: int = 0
    """How many processes or sidecars it is about."""
    setting: str | None = None
    """The machine's setting that causes it. None if no setting does. It is text from outside."""
    bodies: tuple[int, int] | None = None
    """The size of a body in the judged trials, and in those with larger bodies. None for other rules."""
    is_response: bool = False
    """Whether it is about bodies of responses."""


@dataclass(frozen=True, slots=True)
class MemoryFinding:
    """A broken rule, with the figures of the trial in which it is about the least memory."""

    rule: MemoryRule
    image: str
    used: UsedMemory
    limit_bytes: int
    where: Deployment | None
    """Where the image is deployed. None without `[cost]`."""
    month: Decimal | None
    """What the memory that could be saved costs a month. None without `[cost]`, or if nothing is known to be saved."""


def judge_memory(images: Sequence[ImageMeasurement], rules: Collection[MemoryRule]) -> tuple[MemoryFinding, ...]:
    """Return which of these rules the head breaks. Rules that need an unknown figure are kept."""
    return tuple(finding for image in images for finding in _of_image(image) if finding.rule in rules)


def _of_image(image: ImageMeasurement) -> Iterator[MemoryFinding]:
    trials, limit = image.trials, image.limit_bytes
    if image.presence is Presence.REMOVED or any(trial.outcome is not Outcome.COMPLETED for trial in trials):
        return
    for rule, find in _RULES.items():
        known = [used for trial in trials if (used := find(trial, image)) is not None]
        if not known:
            continue
        least = min(known, key=lambda used: used.found_bytes)
        if all(_is_broken(rule, used, limit) for used in known):
            yield MemoryFinding(rule, image.name, least, limit, image.deployment, _month(image, least))
    buffered = _buffered(image)
    if buffered is not None:
        month = _month(image, buffered)
        yield MemoryFinding(MemoryRule.BUFFERED_BODIES, image.name, buffered, limit, image.deployment, month)


def _buffered(image: ImageMeasurement) -> UsedMemory | None:
    """Return by how much larger bodies raised the peak RSS, if that shows that whole bodies were held.

    The smallest peak with larger bodies is compared with the largest of the judged trials, so that noise shows nothing.
    """
    larger = image.larger
    grown = larger.largest if larger is not None else None
    peaks = [value for trial in image.trials if (value := _value(trial, Metric.PEAK_RSS)) is not None]
    if larger is None or grown is None or not larger.peaks or not peaks:
        return None
    more, extra = min(larger.peaks) - max(peaks), grown.more_bytes
    used = UsedMemory(
        more, min(larger.peaks), more * grown.before_bytes // extra, extra, grown.what,
        bodies=(grown.before_bytes, grown.after_bytes), is_response=grown.is_response,
    )  # fmt: skip
    is_held = more >= HELD_SHARE * extra
    return used if is_held and _is_broken(MemoryRule.BUFFERED_BODIES, used, image.limit_bytes) else None


def _is_broken(rule: MemoryRule, used: UsedMemory, limit: int) -> bool:
    is_worth_it = used.found_bytes >= max(LEAST_BYTES, LEAST_SHARE * limit)
    return is_worth_it and used.found_bytes >= _SHARES.get(rule, 0) * used.of_bytes


def _month(image: ImageMeasurement, used: UsedMemory) -> Decimal | None:
    """Return what a pod that needs less costs less a month. None if that is not known, or nothing."""
    where, saved = image.deployment, used.saved_bytes
    if where is None or saved is None or not saved > 0:
        return None
    pod = max(image.limit_bytes, 1)
    # The memory of sidecars is beside the limit, and that of a small pod may be all of it.
    with_it, without = (pod, pod - saved) if saved < pod else (pod + saved, pod)
    before, after = costs(with_it, where).month, costs(without, where).month
    if before is None or after is None or before <= after:
        return None
    return before - after


def _value(trial: Trial, metric: Metric) -> int | None:
    found = trial.metrics.get(metric)
    return found.value if found is not None else None


def _room(trial: Trial, limit: int) -> int | None:
    """Return by how much the limit could fall without coming near the peak working set. None if that is unknown."""
    working_set = _value(trial, Metric.PEAK_WORKING_SET)
    return None if working_set is None else max(0, int((1 - MARGIN) * limit) - working_set)


def _sidecars(trial: Trial, _: ImageMeasurement) -> UsedMemory | None:
    """Return at least what the sidecars held when the pod held the most."""
    pod, own = _value(trial, Metric.POD_PEAK_RSS), _value(trial, Metric.PEAK_RSS)
    sizes = {one.name: one.peak_rss.value for one in trial.sidecars if not one.runs_to_end}
    known = {name: size for name, size in sizes.items() if size is not None}
    if pod is None or own is None or not known:
        return None
    held = pod - own
    return UsedMemory(held, pod, held, subject=max(known, key=lambda name: known[name]), count=len(sizes))


def _page_cache(trial: Trial, image: ImageMeasurement) -> UsedMemory | None:
    pages, room = trial.file_pages, _room(trial, image.limit_bytes)
    working_set = _value(trial, Metric.PEAK_WORKING_SET)
    if pages is None or room is None or working_set is None:
        return None
    # If the limit has no room for it, the cache only fills what is free, and nothing is to be saved.
    found = min(pages.clean_bytes, room)
    return UsedMemory(found, pages.usage_bytes, found, working_set)


def _dirty_pages(trial: Trial, image: ImageMeasurement) -> UsedMemory | None:
    pages, room = trial.file_pages, _room(trial, image.limit_bytes)
    if pages is None:
        return None
    return UsedMemory(pages.dirty_bytes, pages.usage_bytes, min(pages.dirty_bytes, room) if room else None)


def _near_peak(trial: Trial) -> Snapshot | None:
    """Return the look at the processes if it shows the peak. An earlier one does not know what came after it."""
    seen, peak = trial.snapshot, _value(trial, Metric.PEAK_RSS)
    is_known = seen is not None and peak is not None and seen.counts_pages_once
    return seen if seen is not None and is_known and seen.seen_bytes >= NEAR_PEAK * (peak or 0) else None


def _shared_pages(trial: Trial, image: ImageMeasurement) -> UsedMemory | None:
    """Return what the RSS of all processes counts twice, if each of them was read whole."""
    seen, room = _near_peak(trial), _room(trial, image.limit_bytes)
    if seen is None or seen.summed_pss_bytes is None or room is None:
        return None
    processes = seen.processes
    is_whole = seen.process_count == len(processes) and all(one.pss_bytes is not None for one in processes)
    if not is_whole:
        return None
    total = sum(one.rss_bytes for one in processes)
    # A limit below the sum was not sized by it.
    found = min(total - seen.summed_pss_bytes, room) if total <= image.limit_bytes else 0
    return UsedMemory(found, total, found, seen.summed_pss_bytes, count=len(processes))


def _kept(trial: Trial, image: ImageMeasurement) -> UsedMemory | None:
    """Return what the container still holds after the settle time, of what it did not hold before the load."""
    before, peak, settled = (
        _before_load(trial, image),
        _value(trial, Metric.PEAK_RSS),
        _value(trial, Metric.SETTLED_RSS),
    )
    if before is None or peak is None or settled is None:
        return None
    kept = settled - before
    return UsedMemory(kept, peak - before, min(kept, image.limit_bytes - 1), settled)


def _before_load(trial: Trial, image: ImageMeasurement) -> int | None:
    """Return the RSS at the start of the first phase that loads the service and counts. None if it was never ready."""
    last = _last_before_load(trial, image)
    return trial.series.rss_bytes[last] if last is not None else None


def _last_before_load(trial: Trial, image: ImageMeasurement) -> int | None:
    """Return the index of the last sample before that phase."""
    if not trial.phases or trial.phases[0].name != PhaseName.START_UP:
        return None
    loads = (phase for phase in trial.phases[1:] if phase.name not in image.unjudged_phases)
    first = next(loads, None)
    if first is None:
        return None
    last = bisect.bisect_right(trial.series.time_us, first.begin_us) - 1
    return last if last >= 0 else None


def _returned(trial: Trial, image: ImageMeasurement) -> UsedMemory | None:
    peak, settled = _value(trial, Metric.PEAK_RSS), _value(trial, Metric.SETTLED_RSS)
    if peak is None or settled is None:
        return None
    last = _last_before_load(trial, image)
    if last is not None:
        # What the start-up took and returned is not the load's. Samples may miss a peak, so this is a lower bound.
        peak = min(peak, max(trial.series.rss_bytes[last:]))
    return UsedMemory(peak - settled, peak, min(peak - settled, image.limit_bytes - 1), settled)


def _huge_pages(trial: Trial, _: ImageMeasurement) -> UsedMemory | None:
    seen = _near_peak(trial)
    if seen is None or seen.huge_bytes is None:
        return None
    return UsedMemory(seen.huge_bytes, seen.rss_bytes, setting=trial.settings.transparent_huge_pages)


_RULES: Mapping[MemoryRule, Callable[[Trial, ImageMeasurement], UsedMemory | None]] = {
    MemoryRule.SIDECAR_SHARE: _sidecars,
    MemoryRule.PAGE_CACHE: _page_cache,
    MemoryRule.DIRTY_PAGES: _dirty_pages,
    MemoryRule.SHARED_PAGES: _shared_pages,
    MemoryRule.MEMORY_KEPT: _kept,
    MemoryRule.MEMORY_RETURNED: _returned,
    MemoryRule.HUGE_PAGES: _huge_pages,
}
_SHARES = {
    MemoryRule.SIDECAR_SHARE: SIDECAR_SHARE,
    MemoryRule.MEMORY_KEPT: KEPT_SHARE,
    MemoryRule.MEMORY_RETURNED: RETURNED_SHARE,
    MemoryRule.HUGE_PAGES: HUGE_SHARE,
}
"""The part of the whole that breaks a rule. For other rules, the part of the limit decides alone."""
