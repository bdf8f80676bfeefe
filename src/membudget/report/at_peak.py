"""The largest processes near the peak in words. What is named adds up to the peak, or to the look nearest to it."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from membudget.core.metrics import Metric
from membudget.core.quantities import format_size
from membudget.core.untrusted_text import Part, Quoted
from membudget.measure.probe.process_use import Snapshot
from membudget.measure.trial import Trial
from membudget.report.causes import Breakdown, Program, breakdown

NEAR = 0.9
"""A look at the processes is near the peak if they held this share of it or more."""
_MOST_NAMED = 3
_MOST_LISTED = 5
_SMALLEST_SHARE = 0.05
"""Smaller programs are not named one by one."""
_NEGLIGIBLE = 1000
"""A remainder of less than this part of the whole is not shown: rounding hides it."""
_NO_VALUE = "–"


@dataclass(frozen=True, slots=True)
class PeakLook:
    """The look at the processes that explains the peak of an image best."""

    number: int
    """The number of its trial, from 1."""
    trials: int
    snapshot: Snapshot
    peak_bytes: int
    """The peak RSS of its trial."""
    typical_bytes: int
    """The median peak RSS of all trials, which is the image's figure."""

    @property
    def is_near(self) -> bool:
        """Whether the look was near the peak."""
        return self.snapshot.seen_bytes >= NEAR * self.peak_bytes

    @property
    def heading(self) -> str:
        """How near to the peak the look was, with both figures unless they are the same."""
        seen, peak = format_size(self.snapshot.seen_bytes), format_size(self.peak_bytes)
        is_other = peak != format_size(self.typical_bytes)
        trial = f" of trial {self.number}" if self.trials > 1 and is_other else ""
        if seen == peak:
            return f"at the peak{trial} ({peak})"
        return (
            f"near the peak{trial} ({_of(seen, peak)})" if self.is_near else f"closest look{trial}: {_of(seen, peak)}"
        )


def peak_look(trials: Sequence[Trial]) -> PeakLook | None:
    """Return the look to show for an image: one near its peak, of the trial that is most like the image's figure.

    Returns None if no trial has a look.
    """
    peaks = [_peak(trial) for trial in trials]
    known = [peak for peak in peaks if peak is not None]
    looks = [
        PeakLook(
            number=number,
            trials=len(trials),
            snapshot=trial.snapshot,
            peak_bytes=peak or trial.snapshot.seen_bytes,
            typical_bytes=round(statistics.median(known)) if known else trial.snapshot.seen_bytes,
        )
        for number, (trial, peak) in enumerate(zip(trials, peaks, strict=True), 1)
        if trial.snapshot is not None
    ]
    near = [look for look in looks if look.is_near]
    if near:
        return min(near, key=lambda look: abs(look.peak_bytes - look.typical_bytes))
    return max(looks, key=lambda look: look.snapshot.seen_bytes / max(1, look.peak_bytes), default=None)


@dataclass(frozen=True, slots=True)
class PeakPart:
    """A part of the memory that a look saw. All parts of a look add up."""

    name: Part
    bytes: int
    """Anonymous and shared memory. Negative if the other parts count it more than once."""
    count: int | None = None
    """The number of processes. None if it is no process's memory."""
    file_bytes: int | None = None
    """File-backed memory, which is not part of RSS. None if unknown."""
    is_program: bool = False

    @property
    def words(self) -> tuple[Part, ...]:
        """The part in words: "3 × gunicorn 74.0 MiB (24.7 MiB each)"."""
        if not self.is_program:
            return (f"{'less ' if self.bytes < 0 else ''}{format_size(abs(self.bytes))} ", self.name)
        if self.count is None or self.count < 2:
            return (self.name, f" {format_size(self.bytes)}")
        each = format_size(self.bytes // self.count)
        return (f"{self.count} × ", self.name, f" {format_size(self.bytes)} ({each} each)")


def peak_parts(found: Breakdown, most: int) -> tuple[PeakPart, ...]:
    """Return up to `most` programs, largest first, then everything else."""
    large = [program for program in found.programs if program.bytes >= _SMALLEST_SHARE * found.whole_bytes]
    named = large[:most] or found.programs[:1]
    programs = [_of_program(program) for program in named]
    return (*programs, *peak_rest(found, found.programs[len(named) :]))


def peak_rest(found: Breakdown, unnamed: Sequence[Program]) -> tuple[PeakPart, ...]:
    """Return what adds up to the whole with the programs that are named. `unnamed` are the others."""
    others = [*unnamed, *([found.others] if found.others is not None else [])]
    count = sum(program.count for program in others)
    known = [program.file_bytes for program in others if program.file_bytes is not None]
    rest = (
        PeakPart(
            f"in {count} other process{'' if count == 1 else 'es'}",
            sum(program.bytes for program in others),
            count,
            sum(known) if known else None,
        ),
        PeakPart("in no process (files in a tmpfs)", found.unmapped_bytes),
        PeakPart("not seen in any process", found.unseen_bytes),
        PeakPart("counted more than once", -found.repeated_bytes),
    )
    least = found.whole_bytes // _NEGLIGIBLE
    return tuple(part for part in rest if abs(part.bytes) > least)


def _of_program(program: Program) -> PeakPart:
    return PeakPart(Quoted(program.name), program.bytes, program.count, program.file_bytes, is_program=True)


def peak_words(look: PeakLook) -> tuple[Part, ...]:
    """Return what held the memory, as one sentence. Its figures add up to what the look saw."""
    found = breakdown(look.snapshot)
    parts: list[Part] = [look.heading, ": " if look.is_near else ", held by "]
    for number, part in enumerate(peak_parts(found, _MOST_NAMED)):
        parts += [*(["; "] if number else []), *part.words]
    return (*parts, *_beside(found), *_limits(look.snapshot))


def peak_rows(look: PeakLook) -> Iterator[tuple[Part, str, str, str]]:
    """Yield rows of a table: what held it, processes, anonymous and shared memory, file-backed memory. Then the sum."""
    found = breakdown(look.snapshot)
    for part in peak_parts(found, _MOST_LISTED):
        sign = "-" if part.bytes < 0 else ""
        files = format_size(part.file_bytes) if part.file_bytes is not None else _NO_VALUE
        yield part.name, str(part.count or _NO_VALUE), f"{sign}{format_size(abs(part.bytes))}", files
    yield look.heading, _NO_VALUE, format_size(found.whole_bytes), format_size(found.file_bytes)


def _peak(trial: Trial) -> int | None:
    peak = trial.metrics.get(Metric.PEAK_RSS)
    return peak.value if peak is not None else None


def _of(seen: str, peak: str) -> str:
    """Return both sizes, with the unit once if it is the same: "43.7 of 70.1 MiB"."""
    number, _, unit = seen.partition(" ")
    return f"{number if peak.endswith(f' {unit}') else seen} of {peak}"


def _beside(found: Breakdown) -> Iterator[Part]:
    """Yield in words the file-backed memory, if it is large."""
    if found.file_bytes >= _SMALLEST_SHARE * found.whole_bytes:
        yield f"; not part of RSS: {format_size(found.file_bytes)} file-backed"
        if found.files:
            largest = found.files[0]
            name = PurePosixPath(largest.path).name or largest.path
            yield from (" (", Quoted(name), f" {format_size(largest.pss_bytes)})")


def _limits(snapshot: Snapshot) -> Iterator[str]:
    """Yield in words what the look does not show, and why."""
    if snapshot.is_late:
        yield f"; the look came late: {format_size(snapshot.fell_bytes)} had already been freed"
    if snapshot.is_near_limit:
        yield "; near the limit only the status of processes is read"
    elif snapshot.is_after_kill:
        yield "; after an OOM kill only the status of processes is read"
