"""What changed in the memory at the peak since the base: program by program, and in the largest mapped files."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from membudget.contents.diff import PackageChange
from membudget.core.quantities import MIB, format_size, format_size_delta
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.probe.process_use import Snapshot
from membudget.report.at_peak import PeakLook, peak_look
from membudget.report.causes import Program, breakdown, without_command_line
from membudget.report.findings import Finding, FindingKind
from membudget.report.row_words import joined

_MOST_NAMED = 3
_LEAST_SHARE = 0.05
"""Of the whole change. Smaller changes are not named one by one."""
_LEAST_BYTES = 256 * 1024
"""Two looks at the same program differ by as much."""


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """The processes of one program on both sides, or other memory that is counted. None where a side has none."""

    name: Part
    base: Program | None
    head: Program | None

    @property
    def known_as(self) -> tuple[Parts, ...]:
        """What command lines call the processes, if the two sides can only be compared by process name."""
        sides = [(side.known_as if side is not None else ()) for side in (self.base, self.head)]
        only = " in the base" if not sides[1] else " in the head" if not sides[0] else ""
        names = sorted({*sides[0], *sides[1]})
        shown: list[Parts] = [(Quoted(name),) for name in names[:_MOST_NAMED]]
        shown += [(f"{len(names) - _MOST_NAMED} more",)] if len(names) > _MOST_NAMED else []
        return (*shown[:-1], (*shown[-1], only)) if shown else ()

    @property
    def delta_bytes(self) -> int:
        """The change of the anonymous and shared memory of all of its processes."""
        return _held(self.head) - _held(self.base)


def program_changes(base: PeakLook, head: PeakLook) -> tuple[ProgramChange, ...]:
    """Return the programs that changed between two looks, the largest change in the direction of the whole first.

    Processes whose command line one of the looks lacks are compared by process name, which both have.
    """
    by_name = without_command_line(base.snapshot, head.snapshot)
    before, after = (_programs(look, by_name) for look in (base, head))
    changes = [ProgramChange(name, before.get(name), after.get(name)) for name in {**after, **before}]
    whole = head.snapshot.seen_bytes - base.snapshot.seen_bytes
    least = max(_LEAST_BYTES, round(_LEAST_SHARE * abs(whole)))
    large = [change for change in changes if abs(change.delta_bytes) >= least]
    return tuple(sorted(large, key=lambda change: (change.delta_bytes * whole <= 0, -abs(change.delta_bytes))))


def change_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """Yield what changed at the peak. Nothing if a side has no look near its peak, or if nothing changed."""
    base, head = (peak_look(side.trials) if side is not None else None for side in (image.base, image.head))
    if base is None or head is None or not (base.is_near and head.is_near):
        return
    changes = program_changes(base, head)
    if not changes:
        return
    shown = changes[:_MOST_NAMED]
    parts = ("changed at the peak: ", *joined(map(_words, shown), "; "), *_files(base, head))
    if any(change.known_as for change in shown):
        parts = (*parts, f"; compared by process name, because {_why_no_command_lines(base.snapshot, head.snapshot)}")
    yield Finding(parts, FindingKind.AT_PEAK)


def _why_no_command_lines(*snapshots: Snapshot) -> str:
    if any(one.is_near_limit and not one.is_after_kill for one in snapshots):
        return "membudget reads no command lines near the memory limit"
    if any(one.is_after_kill for one in snapshots):
        return "membudget reads no command lines after an OOM kill"
    return "some command lines could not be read"


def _programs(look: PeakLook, by_name: Collection[str]) -> dict[Part, Program]:
    found = breakdown(look.snapshot, by_name)
    named: dict[Part, Program] = {Quoted(program.name): program for program in found.programs}
    if found.unmapped_bytes:
        named["files in a tmpfs"] = Program("", 1, found.unmapped_bytes, None)
    return named


def _held(program: Program | None) -> int:
    return program.bytes if program is not None else 0


def _words(change: ProgramChange) -> Parts:
    """Return a change in words: "gunicorn ×3: 12.1 → 22.4 MiB each"."""
    base, head = change.base, change.head
    known_as = joined(change.known_as, ", ")
    name: Parts = (change.name, *((" (", *known_as, ")") if known_as else ()))
    if base is None or head is None:
        program = head or base
        count = f" ×{program.count}" if program is not None and program.count > 1 else ""
        how = "new" if base is None else "gone"
        return (*name, f"{count} is {how}: {format_size_delta(change.delta_bytes)}")
    if base.count == head.count == 1:
        return (*name, f": {_both(base.bytes, head.bytes)}")
    each = _both(base.bytes // base.count, head.bytes // head.count)
    if base.count == head.count:
        return (*name, f" ×{head.count}: {each} each")
    return (*name, f" ×{base.count} → ×{head.count}: {_both(base.bytes, head.bytes)} together, {each} each")


def _both(before: int, after: int) -> str:
    """Return both sizes, with the unit once if it is the same: "12.1 → 22.4 MiB"."""
    one, other = format_size(before), format_size(after)
    number, _, unit = one.partition(" ")
    return f"{number if other.endswith(f' {unit}') else one} → {other}"


def _files(base: PeakLook, head: PeakLook) -> Iterator[Part]:
    """Yield the mapped file whose file-backed memory grew most. It is not part of RSS."""
    before, after = (_mapped(look) for look in (base, head))
    grown = {path: size - before.get(path, 0) for path, size in after.items()}
    path = max(grown, key=grown.__getitem__, default=None)
    if path is not None and grown[path] >= MIB:
        yield "; not part of RSS: file-backed "
        yield Quoted(PurePosixPath(path).name or path)
        yield f" {format_size_delta(grown[path])}"


def _mapped(look: PeakLook) -> dict[str, int]:
    return {file.path: file.pss_bytes for file in look.snapshot.files}


def package_findings(image: ImageMeasurement) -> Iterator[Finding]:
    """Yield the packages of the image that changed most, because they may be why its memory did."""
    changed = image.contents_diff.packages if image.contents_diff is not None else ()
    parts: list[Part] = []
    for one in changed[:_MOST_NAMED]:
        parts += [", " if parts else "packages changed: ", Quoted(one.name), " "]
        parts += _versions(one)
    if parts:
        more = len(changed) - _MOST_NAMED
        yield Finding((*parts, *([f" and {more} more"] if more > 0 else [])), FindingKind.LAYER)


def _versions(change: PackageChange) -> Iterator[Part]:
    before, after = (", ".join(versions) for versions in (change.base_versions, change.head_versions))
    if before and after:
        yield from (Quoted(before), " → ", Quoted(after))
    else:
        yield from (Quoted(after), " (new)") if after else (Quoted(before or "?"), " (gone)")
