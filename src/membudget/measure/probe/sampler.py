"""Samples one cgroup: looks at its usage, reads RSS when usage has moved, and keeps the kernel's marks.

A look reads the usage, and in a cgroup shared with the engine the kernel's mark as well. This costs next to nothing.
The kernel has to add up memory.stat, so it is read only when usage has moved, and at regular intervals. Uses the
standard library only, because the probe imports this module.
"""

import contextlib
import os
import time
from pathlib import Path

from membudget.measure.probe import readings
from membudget.measure.probe.cgroup import (
    GONE,
    NAMES,
    NEVER_SEEN,
    CgroupMark,
    LeafFiles,
    ParentMarks,
    keep_newest,
    reading_of,
)
from membudget.measure.probe.file_pages import FilePageWatch
from membudget.measure.probe.machine import LogReader, host_settings
from membudget.measure.probe.messages import (
    Depth,
    Follow,
    HostSettings,
    PhaseReading,
    ProbeReport,
    Reading,
    SamplingEffort,
    Series,
)
from membudget.measure.probe.pace import WATCH_NS, Pace
from membudget.measure.probe.snapshots import SnapshotProcess

_APPEARANCE_POLL_S = 0.001
_MOVED_BYTES = 65_536
"""A smaller change of usage does not cause memory.stat to be read."""
_RESTING_SAMPLE_NS = 50_000_000
"""The longest time between two readings of RSS. At the limit, RSS can change while usage does not."""
_PIDS_NS = 50_000_000
"""The shortest time between two listings of the cgroup's processes."""
_UNACCOUNTED_BYTES = 2 * readings.BATCH_BYTES_PER_CPU * (os.cpu_count() or 1)
"""Usage may exceed the sum of memory.stat by this much: memory that is charged in advance and not yet counted."""
_OWN_MARK = "the kernel's, as last read before the container was gone"

_ReadingError = (OSError, ValueError, KeyError)


class Sampler:
    """Follows one trial. If a file is missing or gone, only that sample is lost."""

    def __init__(self, order: Follow, snapshots: SnapshotProcess) -> None:
        self._order = order
        self._snapshots = snapshots
        self._names = NAMES[order.version]
        self._parse = readings.reading_v2 if order.version == 2 else readings.reading_v1
        self._parent = Path(order.parent)
        self._leaf: LeafFiles | None = None
        self._mark = CgroupMark(self._parent / self._names.peak, order.version)
        self._log = LogReader()
        self._settings: HostSettings = host_settings()
        self._pace = Pace(order.rate_hz)
        self._series = Series()
        self._phases: list[PhaseReading] = []
        self._phase: tuple[str, int, int] | None = None
        """The current phase: its name, the time when it began, and the mark at that time."""
        self._phase_usage: int | None = None
        """The largest usage in the current phase for which RSS was read."""
        self._origin_ns = time.monotonic_ns()
        self._cpu_origin_ns = time.process_time_ns()
        self._first_look_ns = 0
        self._last_look_ns: int | None = None
        self._last_sample_ns = 0
        self._watched_ns = 0
        self._sampled_usage = 0
        self._largest_usage: int | None = None
        self._looks = 0
        self._longest_gap_ns = 0
        self._leaf_values: dict[str, Reading] = {}
        self._file_pages = FilePageWatch(order.version)
        self._pids: set[int] = set()
        """The IDs of all processes seen so far. The kernel's log may report a kill without its cgroup."""
        self._listed_ns = 0
        self._count_is_final = False
        snapshots.begin(self._parent, Depth(order.depth), self._origin_ns)

    @property
    def interval_s(self) -> float:
        """The time until the next look, in seconds. It is short until the cgroup exists."""
        return self._pace.interval_s if self._leaf is not None else _APPEARANCE_POLL_S

    def look(self) -> None:
        """Look once, if the cgroup exists."""
        try:
            if self._leaf is None:
                self._leaf = self._find_leaf()
                if self._leaf is None:
                    return
                if self._order.is_shared:
                    self._mark.close()
                    self._mark = CgroupMark(self._leaf.folder / self._names.peak, self._order.version)
            usage = int(self._leaf.usage.read())
            if self._order.is_shared:
                self._mark.read()  # the mark disappears with the container
        except _ReadingError:
            return
        now_ns = time.monotonic_ns()
        self._note_look(now_ns)
        moved = abs(usage - self._sampled_usage) >= _MOVED_BYTES
        if moved or now_ns - self._last_sample_ns >= _RESTING_SAMPLE_NS:
            self._sample(self._leaf, usage, now_ns)
        elif self._series.rss_bytes:  # usage rests, and RSS with it: a peak of 50 ms has no second sample
            self._consider(self._leaf, self._series.rss_bytes[-1], now_ns)
        self._pace.looked(moved=moved)
        if now_ns - self._watched_ns >= WATCH_NS:
            self._watched_ns = now_ns
            self._pace.spent(now_ns, time.process_time_ns())

    def begin_phase(self, name: str) -> None:
        """Begin another phase of the trial."""
        self.end_phase()
        try:
            mark = self._mark.read()
        except _ReadingError:
            mark = 0
        if self._phases:
            self._mark.start_anew()
        self._phase = name, self._now_us(), mark
        self._phase_usage = None
        self._count_is_final = False
        self._last_sample_ns = 0
        self.look()  # the phase begins with a sample of its own, not with the last one of the phase before

    def end_phase(self) -> None:
        """End the current phase, if there is one."""
        self._count_is_final = self._leaf is not None and self._count_kills(self._leaf)
        if self._phase is None:
            return
        name, begin_us, mark_before = self._phase
        self._phase = None
        mark = self._phase_mark(mark_before)
        self._phases.append(PhaseReading(name, begin_us, self._now_us(), mark, self._phase_usage))

    def report(self) -> ProbeReport:
        """Read the kernel's marks, which outlive the container, and return everything."""
        if self._phase is not None:
            self.end_phase()
        snapshot, snapshot_reason = self._snapshots.best()
        for time_us, reading in self._snapshots.samples():
            if reading.rss_bytes > max(self._series.rss_bytes, default=0):
                self._series.insert(time_us, reading)  # no snapshot shows more than the series
        marks = ParentMarks(self._order)
        report = ProbeReport(
            series=self._series,
            phases=tuple(self._phases),
            effort=self._effort(),
            kernel_peak=self._kernel_peak(),
            oom_kills=marks.oom_kills(self._leaf_values.get("oom_kills")),
            limit_hits=marks.limit_hits(self._leaf_values.get("limit_hits")),
            refaulted_bytes=self._leaf_values.get("refaulted", Reading(None, GONE)),
            swap_peak=marks.swap_peak(self._leaf_values.get("swap")),
            stalled_us=marks.stalled(),
            cpu_usage_us=marks.cpu_usage(),
            snapshot=snapshot,
            snapshot_reason=snapshot_reason,
            kills_meanwhile=self._snapshots.kills_meanwhile,
            kernel_log=self._log.kills(self._order.kernel_path, self._pids),
            count_is_final=self._count_is_final,
            settings=self._settings,
            origin_ns=self._origin_ns,
            file_pages=self._file_pages.found,
        )
        self.close()
        return report

    def now(self) -> int | None:
        """Return the last sample of RSS, in bytes, or None before the first."""
        return self._series.rss_bytes[-1] if self._series.rss_bytes else None

    def kills(self) -> int | None:
        """Return how many processes the kernel has killed so far, or None if unknown."""
        return ParentMarks(self._order).oom_kills(self._leaf_values.get("oom_kills")).value

    def close(self) -> None:
        """Close the cgroup's files."""
        if self._leaf is not None:
            self._leaf.close()
            self._leaf = None
        self._mark.close()
        self._log.close()

    def _find_leaf(self) -> LeafFiles | None:
        """Return the container's own cgroup, or None while it does not exist.

        The parent would mostly do. But while it is read often, a parent's memory.stat can lag behind its children by up
        to two seconds (docs/adr/0003-own-cgroup-parent.md).
        """
        folder = next((path for leaf in self._order.leaves if (path := Path(leaf)).is_dir()), None)
        return LeafFiles(folder, self._order.version) if folder is not None else None

    def _note_look(self, now_ns: int) -> None:
        if self._last_look_ns is None:
            self._first_look_ns = now_ns
            self._cpu_origin_ns = time.process_time_ns()
        else:
            self._longest_gap_ns = max(self._longest_gap_ns, now_ns - self._last_look_ns)
        self._last_look_ns = now_ns
        self._looks += 1

    def _note_usage(self, usage: int) -> None:
        self._largest_usage = max(self._largest_usage or 0, usage)
        self._phase_usage = max(self._phase_usage or 0, usage)

    def _sample(self, leaf: LeafFiles, usage: int, now_ns: int) -> None:
        """Read RSS, and note the usage that it belongs to. A spike may end between reading the two files."""
        try:
            stat = leaf.stat.read()
            reading = self._parse(stat, usage)
            usage_after = int(leaf.usage.read())
        except _ReadingError:
            return
        self._series.append((now_ns - self._origin_ns) // 1000, reading)
        if self._is_judged:
            self._file_pages.note(stat, usage)
        at_rest = now_ns - self._last_sample_ns >= _RESTING_SAMPLE_NS
        self._last_sample_ns = now_ns
        self._sampled_usage = self._seen_whole(leaf, stat, usage)
        self._note_usage(min(self._sampled_usage, usage_after))
        if at_rest or self._order.version == 1:
            self._read_leaf_values(leaf, stat)
        if now_ns - self._listed_ns >= _PIDS_NS:
            self._listed_ns = now_ns
            self._note_pids(leaf)
        self._consider(leaf, reading.rss_bytes, now_ns)

    @property
    def _is_judged(self) -> bool:
        """Whether peaks count now."""
        return self._phase is None or self._phase[0] not in self._order.unjudged

    def _consider(self, leaf: LeafFiles, rss_bytes: int, now_ns: int) -> None:
        """Have the processes looked at if that is worth it. Before the first phase, the container does not run."""
        if self._is_judged:
            self._snapshots.consider(leaf.folder, rss_bytes, now_ns)

    def _seen_whole(self, leaf: LeafFiles, stat: bytes, usage: int) -> int:
        """Return the part of the usage that memory.stat accounts for, in bytes.

        While memory is unmapped, its pages have left RSS and are still charged (zap_pte_range, tlb_finish_mmu in
        mm/memory.c and mm/mmu_gather.c). Usage alone would suggest that the peak was seen, when most of its RSS is
        gone.
        """
        try:
            if self._order.version == 2:
                accounted = readings.accounted_v2(stat)
            elif leaf.kernel is not None:
                accounted = readings.accounted_v1(stat, int(leaf.kernel.read()))
            else:
                return usage
        except _ReadingError:
            return usage  # this kernel lacks some of the values
        return usage if usage - accounted <= _UNACCOUNTED_BYTES else accounted

    def _read_leaf_values(self, leaf: LeafFiles, stat: bytes) -> None:
        """Read the values that only the container's own cgroup has. They disappear with it, so the last look counts."""
        values = self._leaf_values
        version = self._order.version
        values["refaulted"] = reading_of(lambda: readings.refaulted_bytes(stat, version), "memory.stat")
        if leaf.swap is not None:
            swap = reading_of(lambda: int(leaf.swap.read() if leaf.swap else b""), "memory.swap.current")
        else:
            swap = reading_of(lambda: readings.keyed_value(stat, b"total_swap"), "memory.stat")
        if swap.value is not None and swap.value >= (values.get("swap", swap).value or 0):
            values["swap"] = swap
        self._count_kills(leaf)
        if leaf.failcnt is not None:
            keep_newest(values, "limit_hits", leaf.failcnt.read, int)

    def _count_kills(self, leaf: LeafFiles) -> bool:
        """Read how many processes were killed. On v1, return whether the count could be read."""
        self._log.read()  # read the log first: the count then includes every kill that the log reports
        if leaf.events is None:
            return False
        before = self._leaf_values.pop("oom_kills", None)
        keep_newest(self._leaf_values, "oom_kills", leaf.events.read, readings.oom_kills)
        if self._leaf_values["oom_kills"].value is not None:
            self._log.counted()
            return True
        self._leaf_values["oom_kills"] = before or self._leaf_values["oom_kills"]
        return False

    def _note_pids(self, leaf: LeafFiles) -> None:
        """Note the processes in the cgroup.

        The file is opened each time, because on v1 a file held open often returns an old list
        (kernel/cgroup/cgroup-v1.c).
        """
        with contextlib.suppress(OSError, ValueError):
            self._pids.update(map(int, (leaf.folder / "cgroup.procs").read_bytes().split()))

    def _phase_mark(self, mark_before: int) -> Reading:
        """Return the mark of the phase that ends: its own, or the trial's if that rose in this phase."""
        try:
            mark = self._mark.read()
        except _ReadingError:
            return Reading(None, NEVER_SEEN)
        if self._mark.restarts or not self._phases or mark > mark_before:
            return Reading(mark)
        why = "the kernel's mark could not be started anew for this phase, and did not rise in it"
        return Reading(None, why)

    def _effort(self) -> SamplingEffort:
        return SamplingEffort(
            looks=self._looks,
            samples=len(self._series.time_us),
            longest_gap_us=self._longest_gap_ns // 1000,
            largest_usage_bytes=self._largest_usage,
            wall_us=(self._last_look_ns - self._first_look_ns) // 1000 if self._last_look_ns is not None else 0,
            cpu_us=(time.process_time_ns() - self._cpu_origin_ns) // 1000,
            snapshots=self._snapshots.taken,
            snapshots_cpu_us=self._snapshots.cpu_us,
        )

    def _kernel_peak(self) -> Reading:
        if not self._parent.is_dir():
            return Reading(None, NEVER_SEEN)
        if self._order.is_shared and self._leaf is None:
            return Reading(None, f"{GONE}, and the trial's has a process of the engine's own in it as well")
        try:
            return Reading(self._mark.whole(), note=_OWN_MARK if self._order.is_shared else None)
        except FileNotFoundError:
            return Reading(None, f"this kernel has no {self._names.peak} (memory.peak came with Linux 5.19)")
        except _ReadingError as error:
            return Reading(None, f"{self._names.peak} could not be read: {error}")

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._origin_ns) // 1000
