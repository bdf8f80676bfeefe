"""What grew: the places in the code that hold more memory in head's heap profile than in base's.

A place is the innermost frame of a stack that is the service's own code, or the innermost frame if there is none. It is
compared by file and function, because lines move. Memory that moved from one place to another is not growth. Of the
lines of a place, the one that grew most is shown.

If `live_heap` breaks its budget, only memory of the live heap counts. All other memory could not make it grow.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from membudget.core.metrics import Metric
from membudget.core.quantities import KIB
from membudget.judge.held_lines import HeldLines
from membudget.judge.image import ImageJudgement
from membudget.judge.metric import Row, Verdict
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, PairProfile, ProfiledBy, SourceLine

MOST_SITES = 5
"""The most places that are named."""
_LEAST_BYTES = 256 * KIB
_LEAST_SHARE = 0.01
"""Two profiles of the same code differ by as much. Less is not growth."""
_LEAST_NAMED = 0.03
"""The part of the largest place from which another one is named."""
_JUDGED = (Metric.PEAK_RSS, Metric.SETTLED_RSS, Metric.LIVE_HEAP)
"""The metrics whose growth a profile explains."""
_BROKEN = (Verdict.FAIL, Verdict.WARN)
"""The verdicts of a broken budget, the worst first."""

_Key = tuple[str | None, str]
"""The file and the function of a place."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the code with the memory that it holds on each side."""

    frame: Frame
    """Its frame in the head, at the line that grew most, or that holds most if none grew.

    If the head has no such place, it is the base's frame, at the line that held most.
    """
    base_bytes: int
    """0 if the base has no such place, or if there is no base to compare with."""
    head_bytes: int
    lines: tuple[Frame, ...] = ()
    """Its frames in the head, one for each line. The line that holds most is first."""

    @property
    def delta_bytes(self) -> int:
        """The growth since the base."""
        return self.head_bytes - self.base_bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """The memory of all places of head's profile, compared with base's."""

    profiled_by: ProfiledBy
    sites: tuple[Site, ...]
    """All places, the largest growth first. Without a comparison, the largest first."""
    base_rest_bytes: int
    """The memory of base's stacks that the profile does not list. 0 for the live heap: nobody knows what is live."""
    head_rest_bytes: int
    """The same of head."""
    is_compared: bool
    """Whether there is a profile of the base that was taken in the same way."""
    of_live_heap: bool = False
    """Whether only memory of the live heap counts in all of this."""

    @property
    def delta_bytes(self) -> int:
        """The growth of everything in the profiles. Without a comparison: all memory in head's."""
        return sum(site.delta_bytes for site in self.sites) + self.head_rest_bytes - self.base_rest_bytes

    @property
    def head_bytes(self) -> int:
        """All memory in head's profile."""
        return sum(site.head_bytes for site in self.sites) + self.head_rest_bytes

    @property
    def is_growth(self) -> bool:
        """Whether any place grew by more than profiles of the same code differ."""
        least = _least_growth(self.head_bytes)
        return self.is_compared and any(site.delta_bytes >= least for site in self.sites)

    @property
    def named(self) -> tuple[Site, ...]:
        """The places to name, at most `MOST_SITES`: those that grew most, or hold most if nothing grew."""
        size = _growth if self.is_growth else _held_by_head
        largest = sorted(self.sites, key=size, reverse=True)[:MOST_SITES]
        return tuple(site for site in largest if size(site) >= max(1, _LEAST_NAMED * size(largest[0])))

    @property
    def freed_bytes(self) -> int:
        """What the base holds and the head does not, in all places. It may have moved to those that grew."""
        return sum(max(0, -site.delta_bytes) for site in self.sites) + max(
            0, self.base_rest_bytes - self.head_rest_bytes
        )

    @property
    def explained_bytes(self) -> int:
        """How much of the whole growth the named places explain: their own growth, less what others freed.

        If nothing grew, what the named places hold.
        """
        if not self.is_growth:
            return sum(site.head_bytes for site in self.named)
        return max(0, sum(site.delta_bytes for site in self.named) - self.freed_bytes)


@dataclass(frozen=True, slots=True)
class Whole:
    """The figure that the named places explain a share of."""

    metric: Metric | None
    """The metric that was judged. None for all memory in the profiles."""
    size_bytes: int
    """The growth of the figure, or the figure itself if nothing grew."""

    def share_of(self, part_bytes: int) -> float:
        """Return the share that `part_bytes` are of it, at most 1."""
        return min(1.0, part_bytes / self.size_bytes) if self.size_bytes > 0 else 0.0


def growth_behind(pair: PairProfile, judged: ImageJudgement) -> Growth | None:
    """Return what grew of the memory that the broken budget is about. None if the head has no profile."""
    row = _broken_or_peak(judged, is_own=pair.is_own)
    return growth_of(pair, of_live_heap=row is not None and row.metric is Metric.LIVE_HEAP)


def growth_of(pair: PairProfile, *, of_live_heap: bool = False) -> Growth | None:
    """Return what grew, of all memory or of the live heap alone. None if the head has no profile.

    Profiles that were taken in different ways name places in different ways. They are not compared.
    """
    base, head = (side.profile if side is not None else None for side in (pair.base, pair.head))
    if head is None:
        return None
    if base is None or base.profiled_by is not head.profiled_by:
        nothing = HeapProfile.of(head.profiled_by, ())
        return replace(compared(nothing, head, pair.source_of, of_live_heap=of_live_heap), is_compared=False)
    return compared(base, head, pair.source_of, of_live_heap=of_live_heap)


def _not_known(_: Frame) -> None:
    """Return no source: a line of head is then compared with the line of the same number."""


def compared(
    base: HeapProfile,
    head: HeapProfile,
    source_of: Callable[[Frame], SourceLine | None] = _not_known,
    *,
    of_live_heap: bool = False,
) -> Growth:
    """Return the growth between two profiles that were taken in the same way.

    `source_of` says which line of the base a line of head was, as far as the diff is known.
    """
    before, after = _held(base, of_live_heap), _held(head, of_live_heap)
    partners = _partners(before.keys(), after.keys())
    rest = (0, 0) if of_live_heap else (base.rest_bytes, head.rest_bytes)
    least = _least_growth(sum(held.held_bytes for held in after.values()) + rest[1])
    sites = []
    for key, held in after.items():
        old = before[partners[key]] if key in partners else HeldLines()
        frame = held.grown_most(old, least, source_of)
        sites.append(Site(frame, old.held_bytes, held.held_bytes, held.frames))
    gone = before.keys() - set(partners.values())
    sites += [Site(before[key].frames[0], before[key].held_bytes, 0) for key in gone]
    ordered = tuple(sorted(sites, key=_most_grown))
    return Growth(head.profiled_by, ordered, *rest, is_compared=True, of_live_heap=of_live_heap)


def whole_of(growth: Growth, judged: ImageJudgement, *, is_own: bool = False) -> Whole:
    """Return the figure to take a share of. `is_own` says whether the profiles are of the head's own settings.

    It is the growth of a judged metric: of one whose budget is broken, else of peak RSS. If the limit cut that off, or
    if it did not grow, it is the growth of the profiles, which are taken under a higher limit. The profiled trials' own
    RSS is no such figure, because it has the memory of the profiler in it.
    """
    row = _broken_or_peak(judged, is_own=is_own)
    if growth.is_growth:
        if row is not None and row.delta is not None and row.delta > 0:
            return Whole(row.metric, row.delta)
        return Whole(None, growth.delta_bytes)
    if row is not None and row.head.value:
        return Whole(row.metric, row.head.value)
    return Whole(None, growth.head_bytes)


def _broken_or_peak(judged: ImageJudgement, *, is_own: bool) -> Row | None:
    rows = (row for row in judged.rows if row.is_own is is_own and row.metric in _JUDGED and row.phase is None)
    usable = [row for row in rows if not _is_cut_off(row)]
    broken = [row for verdict in _BROKEN for row in usable if row.verdict is verdict]
    return next(iter(broken), next((row for row in usable if row.metric is Metric.PEAK_RSS), None))


def _is_cut_off(row: Row) -> bool:
    return row.head.is_lower_bound or row.trials_at_limit is not None


def _least_growth(head_bytes: int) -> int:
    """Return by how many bytes something has to grow, if head's whole profile holds `head_bytes`."""
    return max(_LEAST_BYTES, round(_LEAST_SHARE * head_bytes))


def _held(profile: HeapProfile, of_live_heap: bool) -> dict[_Key, HeldLines]:
    """Return the memory of each place."""
    places: dict[_Key, HeldLines] = {}
    for stack in profile.stacks:
        frames = [profile.frames[index] for index in stack.frames]
        if of_live_heap and not frames[0].in_live_heap:
            continue
        frame = next((one for one in frames if not one.is_library), frames[0])
        places.setdefault((frame.file, frame.name), HeldLines()).add(frame, stack.held_bytes)
    return places


def _partners(base: Iterable[_Key], head: Iterable[_Key]) -> Mapping[_Key, _Key]:
    """Return for each place of the head the place of the base that it is compared with.

    The second and third rule find a function whose file was moved, the last one a function that was renamed. They only
    hold for places that no other one could be mistaken for.
    """
    found: dict[_Key, _Key] = {}
    for rule in (_itself, _file_name, _function, _file):
        before = _only(rule, set(base) - set(found.values()))
        after = _only(rule, set(head) - found.keys())
        found |= {after[mark]: before[mark] for mark in after.keys() & before.keys()}
    return found


def _only(rule: Callable[[_Key], Hashable | None], keys: Iterable[_Key]) -> dict[Hashable, _Key]:
    marked: dict[Hashable, list[_Key]] = {}
    for key in keys:
        mark = rule(key)
        if mark is not None:
            marked.setdefault(mark, []).append(key)
    return {mark: alike[0] for mark, alike in marked.items() if len(alike) == 1}


def _itself(key: _Key) -> Hashable:
    return key


def _file_name(key: _Key) -> Hashable | None:
    file, function = key
    return (PurePosixPath(file).name, function) if file is not None else None


def _function(key: _Key) -> Hashable | None:
    file, function = key
    return function if file is not None else None


def _file(key: _Key) -> Hashable | None:
    return key[0]


def _growth(site: Site) -> int:
    return site.delta_bytes


def _held_by_head(site: Site) -> int:
    return site.head_bytes


def _most_grown(site: Site) -> tuple[int, int, str, str]:
    return -site.delta_bytes, -site.head_bytes, site.frame.file or "", site.frame.name
