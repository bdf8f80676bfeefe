"""Decides when to look at the processes of a container, and which of the snapshots is kept. Pure.

Standard library only: the probe imports it.
"""

from dataclasses import dataclass, replace

from membudget.measure.probe.messages import Snapshot

_GROWTH, _LEAP = 0.02, 0.1
_SMALLEST_GROWTH_BYTES = 1 << 20
"""A new peak is worth a snapshot when it is larger than the last one's by this share and as many bytes: by the first
share where snapshots are below their share of the CPU, by the second in any case."""
_SETTLED = 0.01
"""RSS has settled when two samples differ by less than this share of it."""
_OVERDUE_NS = 250_000_000
"""RSS that never settles is looked at this often while it grows."""
_REST_FACTOR, _LEAP_REST_FACTOR = 20, 5
"""Reading for a millisecond is followed by twenty without: its locks hold up the container's own work. A leap of
memory is looked at sooner, for this burst may be the last."""
_MOST_LATE = 3
"""After so many late ones in a row, only what they may use of the CPU is tried again: some bursts are too short."""
_SHARE, _HEAD_START_NS = 0.005, 40_000_000
"""What they may use of a core over a trial, beside this much CPU time beforehand, for short trials have peaks too."""
_STILL_THERE = 0.9
"""A peak is over when less than this share of its RSS is left: an order for it is stale, a snapshot of it late."""
_MAPS_WORTH = 1.05
"""A snapshot with kinds and files is worth more than one that is a little nearer to the peak and has none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an order."""

    snapshot: Snapshot | None
    """None: there was nobody, or the order was stale."""
    is_stale: bool
    cpu_us: int
    """All that it took."""
    reading_us: int
    """CPU time in which processes were read."""
    kills_meanwhile: bool | None
    """Whether the kernel killed a process while one was read; None: not known."""


def is_over(peak_bytes: int, left_bytes: int) -> bool:
    """Whether a peak of `peak_bytes` is over when `left_bytes` are left."""
    return left_bytes < _STILL_THERE * peak_bytes


class SnapshotPlan:
    """Of one trial. Times are on CLOCK_MONOTONIC."""

    def __init__(self, now_ns: int) -> None:
        self._begun_ns = self._last_ns = now_ns
        self._not_before_ns = self._leaps_from_ns = 0
        self._previous_bytes = 0
        self._seen_bytes = 0
        """The largest RSS that was there to be seen when a snapshot was taken."""
        self._late_in_a_row = 0
        self.best: Snapshot | None = None
        self.taken = 0
        self.cpu_us = 0
        self.kills_meanwhile: bool | None = False
        """Whether the kernel killed a process while one was read; None: not known."""

    def wants(self, rss_bytes: int, now_ns: int) -> bool:
        """Whether to look now: at a new peak that has settled, or that has been growing for long."""
        settled = abs(rss_bytes - self._previous_bytes) <= _SETTLED * rss_bytes
        self._previous_bytes = rss_bytes
        if now_ns < self._leaps_from_ns:
            return False
        is_affordable = now_ns >= self._affordable_from_ns()
        if self._late_in_a_row >= _MOST_LATE and not is_affordable:
            return False
        wanted = _GROWTH if is_affordable and now_ns >= self._not_before_ns else _LEAP
        if rss_bytes - self._seen_bytes < max(_SMALLEST_GROWTH_BYTES, wanted * self._seen_bytes):
            return False
        return settled or now_ns - self._last_ns >= _OVERDUE_NS

    def answered(self, answer: Answer, now_ns: int) -> None:
        """Take in what became of the last order: a peak that was not seen is looked at again when it comes back."""
        self.cpu_us += answer.cpu_us
        if answer.kills_meanwhile is not False:
            self.kills_meanwhile = self.kills_meanwhile or answer.kills_meanwhile
        snapshot = answer.snapshot
        if snapshot is None:  # stale, or the runtime's own start, which tells nothing of the program
            self._late_in_a_row += answer.is_stale
            return
        self.taken += 1
        self._last_ns = now_ns
        snapshot = replace(snapshot, is_late=is_over(snapshot.rss_bytes, snapshot.seen_bytes))
        self._late_in_a_row = self._late_in_a_row + 1 if snapshot.is_late else 0
        self._not_before_ns = now_ns + _REST_FACTOR * 1000 * answer.reading_us
        self._leaps_from_ns = now_ns + _LEAP_REST_FACTOR * 1000 * answer.reading_us
        self._seen_bytes = max(self._seen_bytes, snapshot.seen_bytes)
        if self.best is None or _worth(snapshot) >= _worth(self.best):
            self.best = snapshot

    def lost(self) -> None:
        """Nobody knows what became of the last order."""
        self.kills_meanwhile = self.kills_meanwhile or None

    def _affordable_from_ns(self) -> int:
        """When the share of a core will have grown to what was spent."""
        spent_ns = 1000 * self.cpu_us
        return self._begun_ns + round((spent_ns - _HEAD_START_NS) / _SHARE)


def _worth(snapshot: Snapshot) -> float:
    """How near to the peak it is, by what was there to be seen."""
    has_maps = snapshot.summed_pss_bytes is not None
    return snapshot.seen_bytes * (_STILL_THERE if snapshot.is_late else 1) * (_MAPS_WORTH if has_maps else 1)
