"""A heap profile as report.json has it: who held memory when it was taken. Bounded, for it comes from hostile code."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.core.files import Stored
from membudget.core.untrusted_text import whole_characters

MOST_STACKS = 400
"""The most stacks of a profile. The others are summed up in `rest_bytes`."""
MOST_FRAMES = 40
"""The most frames of a stack, from the innermost outwards."""
LONGEST_NAME = 200
_LONGEST_REASON = 300
LONGEST_PATH = 1000
MOST_SOURCES = 100
"""The most lines of a profile that are looked up in the repository."""
_MOST_BYTES = 1 << 50

_Name = Annotated[str, Field(max_length=LONGEST_NAME)]
LAST_LINE = 10_000_000
_Line = Annotated[int, Field(ge=1, le=LAST_LINE)]
_Bytes = Annotated[int, Field(ge=0, le=_MOST_BYTES)]
_Processes = Annotated[int, Field(ge=0, le=10_000_000)]


class ProfiledBy(StrEnum):
    """What a profile was taken with. It decides what a frame is: a line, a class, or a mapping."""

    MEMRAY = "memray"
    TRACEMALLOC = "tracemalloc"
    CLASS_HISTOGRAM = "class_histogram"
    FLIGHT_RECORDER = "flight_recorder"
    V8_SAMPLING = "v8_sampling"
    PPROF = "pprof"
    OBJECT_SPACE = "object_space"
    SMAPS = "smaps"


@dataclass(frozen=True, slots=True)
class Frame(Stored):
    """A place that holds memory, or that called one: a line of code, a class, or a mapping. Text from outside."""

    name: _Name
    """The function, the class, or the mapped file or kind of mapping."""
    file: _Name | None = None
    """The source file as the runtime names it, often its path in the image."""
    line: _Line | None = None
    is_library: bool = False
    """Whether it belongs to the runtime or an installed package, not to the service's own code."""
    in_live_heap: bool = True
    """Whether memory in it is part of what the metric `live_heap` counts.

    It is not if it is garbage, or if it lies outside of the collected heap. The innermost frame of a stack decides.
    """


@dataclass(frozen=True, slots=True)
class Stack(Stored):
    """Memory, and the calls that took it."""

    frames: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=MOST_FRAMES)]
    """Indices into `HeapProfile.frames`, the innermost first."""
    held_bytes: _Bytes


@dataclass(frozen=True, slots=True)
class HeapProfile(Stored):
    """Who held the memory of a container's processes at one moment. Stacks are sorted, the largest first."""

    profiled_by: ProfiledBy
    frames: Annotated[tuple[Frame, ...], Field(max_length=MOST_STACKS * MOST_FRAMES)]
    stacks: Annotated[tuple[Stack, ...], Field(max_length=MOST_STACKS)]
    rest_bytes: _Bytes = 0
    """The memory of all other stacks."""

    def __post_init__(self) -> None:
        if any(index >= len(self.frames) for stack in self.stacks for index in stack.frames):
            raise ValueError("a stack names a frame that is not in the profile")

    @property
    def held_bytes(self) -> int:
        """All memory in the profile."""
        return sum(stack.held_bytes for stack in self.stacks) + self.rest_bytes

    def largest(self, most: int) -> "HeapProfile":
        """Return the same profile with only its `most` largest stacks. The memory of the others stays in the sum."""
        if len(self.stacks) <= most:
            return self
        held = ((tuple(self.frames[index] for index in one.frames), one.held_bytes) for one in self.stacks[:most])
        cut = HeapProfile.of(self.profiled_by, held)
        rest = self.rest_bytes + sum(one.held_bytes for one in self.stacks[most:])
        return replace(cut, rest_bytes=min(rest, _MOST_BYTES))

    @classmethod
    def of(
        cls, profiled_by: ProfiledBy, held: Iterable[tuple[tuple[Frame, ...], int]], rest_bytes: int = 0
    ) -> "HeapProfile":
        """Return a profile of these stacks, innermost frame first, in bytes. Equal stacks are added up.

        `rest_bytes` is memory of which no stack is known.

        Only the largest `MOST_STACKS` are kept. Stacks are cut to `MOST_FRAMES`, names to `LONGEST_NAME`.
        """
        sums: dict[tuple[Frame, ...], int] = {}
        for frames, held_bytes in held:
            if held_bytes > 0 and frames:
                cut = tuple(map(_shortened, frames[:MOST_FRAMES]))
                sums[cut] = sums.get(cut, 0) + held_bytes
        largest = sorted(sums.items(), key=lambda one: -one[1])
        numbers: dict[Frame, int] = {}
        stacks = tuple(
            Stack(tuple(numbers.setdefault(frame, len(numbers)) for frame in frames), min(held_bytes, _MOST_BYTES))
            for frames, held_bytes in largest[:MOST_STACKS]
        )
        rest = rest_bytes + sum(held_bytes for _, held_bytes in largest[MOST_STACKS:])
        return cls(profiled_by, tuple(numbers), stacks, min(rest, _MOST_BYTES))


def added_up(profiles: Sequence[HeapProfile]) -> HeapProfile:
    """Return the profile of several processes together. There is at least one."""
    held = [
        (tuple(one.frames[index] for index in stack.frames), stack.held_bytes)
        for one in profiles
        for stack in one.stacks
    ]
    return HeapProfile.of(profiles[0].profiled_by, held, sum(one.rest_bytes for one in profiles))


def masked(profile: HeapProfile, hide: Callable[[str], str]) -> HeapProfile:
    """Return the profile with `hide` applied to its names."""
    frames = (replace(one, name=hide(one.name), file=hide(one.file) if one.file else None) for one in profile.frames)
    return replace(profile, frames=tuple(map(_shortened, frames)))


def _shortened(frame: Frame) -> Frame:
    name = whole_characters(frame.name[:LONGEST_NAME])
    file = whole_characters(frame.file[-LONGEST_NAME:]) if frame.file is not None else None
    line = frame.line if frame.line is not None and 1 <= frame.line <= LAST_LINE else None
    return replace(frame, name=name, file=file, line=line)


@dataclass(frozen=True, slots=True)
class ProfiledSide(Stored):
    """The profiled trial of one side, which is never judged: a profile, or the reason why there is none."""

    profile: HeapProfile | None
    reason: Annotated[str, Field(max_length=_LONGEST_REASON)] | None = None
    """A sentence for people: why there is no profile, or why a process is missing in it. None if nothing is missing."""
    rss_bytes: _Bytes | None = None
    """RSS when the profile was taken. None if it is unknown."""
    peak_rss_bytes: _Bytes | None = None
    """The peak RSS of the profiled trial: how much the profiler itself took is this minus the judged peak."""
    duration_ms: Annotated[int, Field(ge=0)] = 0
    """The duration of the profiled trial."""
    processes: _Processes = 0
    """How many processes of the runtime there were when the profile was taken. 0 if unknown, as in older reports."""
    unanswered: _Processes = 0
    """How many of them gave no profile. Their memory is missing in `profile`."""
    not_first_choice: Annotated[str, Field(max_length=_LONGEST_REASON)] | None = None
    """Why another profiler than the one of first choice was used: a part of a sentence.

    None if that was used, and if there is no profile.
    """

    added_peaks: _Processes = 0
    """How many processes told what each held at its own peak. The profile adds that up, but these peaks may be at
    different times, so it may be more than was held at once. 0 if all of it was held at one time.
    """

    def __post_init__(self) -> None:
        if self.unanswered > self.processes:
            raise ValueError("more processes gave no profile than there are")


@dataclass(frozen=True, slots=True)
class SourceLine(Stored):
    """Where a line of head's profile is in the repository."""

    file: _Name
    """The file as the frame names it."""
    line: _Line
    path: Annotated[str, Field(max_length=LONGEST_PATH)]
    """The path of the same file in the repository."""
    is_in_diff: bool
    """Whether the diff from base to head shows the line."""
    base_line: _Line | None = None
    """Which line of the base it was. None if the diff adds it, or if there is no base. Older reports do not know it."""
    is_changed: bool = False
    """Whether the diff adds the line, or puts it in the place of another one."""


@dataclass(frozen=True, slots=True)
class PairProfile(Stored):
    """The profiles of both sides of an image. A side is None if it does not exist."""

    base: ProfiledSide | None
    head: ProfiledSide | None
    sources: Annotated[tuple[SourceLine, ...], Field(max_length=MOST_SOURCES)] = ()
    """All lines of the places to name, as far as they are in the repository."""
    is_own: bool = False
    """Whether both sides ran with the head's own settings, because a maximum is broken with those."""

    def with_each_side(self, of: Callable[[ProfiledSide], ProfiledSide]) -> "PairProfile":
        """Return the same pair with `of` applied to each side that exists."""
        base, head = (of(side) if side is not None else None for side in (self.base, self.head))
        return replace(self, base=base, head=head)

    def source_of(self, frame: Frame) -> SourceLine | None:
        """Return where a frame is in the repository. None if it is not known."""
        same = (one for one in self.sources if (one.file, one.line) == (frame.file, frame.line))
        return next(same, None)

    def path_of(self, frame: Frame) -> str | None:
        """Return the path of a frame's file: in the repository if that is known, else as the frame names it."""
        return next((one.path for one in self.sources if one.file == frame.file), frame.file)
