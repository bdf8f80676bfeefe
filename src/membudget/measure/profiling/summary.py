"""The text in which our modules inside of runtimes say who holds memory. They write it, `profile_of` reads it.

A line is one of these, and a part begins with the first one. There is a part for each heap: a process, or a thread with
a heap of its own.

    membudget-profile 1
    o                                 all memory of this part lies outside of the live heap
    f NAME <tab> FILE <tab> LINE      a frame. FILE is empty and LINE is 0 if they are unknown
    s BYTES NUMBER NUMBER …           memory, and the calls that took it: numbers of frames, the innermost first
    r BYTES                           the memory of all other stacks

Whoever sent the text may be hostile.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from membudget.measure.profiling.heap_profile import MOST_FRAMES, Frame, HeapProfile, ProfiledBy

LONGEST_SUMMARY_BYTES = 4 << 20
HEAD = "membudget-profile 1"
_OUTSIDE = "o"
_MOST_LINES = 200_000
_STACK = re.compile(r"s (\d{1,15})((?: \d{1,6}){1,200})")
_REST = re.compile(r"r (\d{1,15})")
_OTHERS = Frame("(other)", is_library=True)
"""The frame of memory whose stacks a module left out."""

FrameOf = Callable[[str, str | None, int | None], Frame]
"""Makes a frame of its name, file and line."""


def summary_of(held: Iterable[tuple[tuple[Frame, ...], int]]) -> bytes:
    """Return the summary of these stacks, innermost frame first, in bytes: the largest `MOST_STACKS` of them."""
    profile = HeapProfile.of(ProfiledBy.SMAPS, held)
    lines = [HEAD]
    lines += (f"f {plain(one.name)}\t{plain(one.file or '')}\t{one.line or 0}" for one in profile.frames)
    lines += (f"s {stack.held_bytes} {' '.join(map(str, stack.frames))}" for stack in profile.stacks)
    return "\n".join((*lines, f"r {profile.rest_bytes}", "")).encode(errors="replace")


def outside_of_live_heap(summary: bytes) -> bytes:
    """Return the summary of one heap with a mark that `live_heap` counts none of its memory."""
    return f"{HEAD}\n{_OUTSIDE}\n".encode() + summary.removeprefix(f"{HEAD}\n".encode())


def plain(text: str) -> str:
    """Return `text` on one line, without anything that a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def profile_of(raw: bytes, profiled_by: ProfiledBy, frame_of: FrameOf, *, in_live_heap: bool = True) -> HeapProfile:
    """Return the profile in a summary. Raises ValueError if the text is not a summary.

    `in_live_heap` says whether `live_heap` counts the memory of parts that are not marked.
    """
    if len(raw) > LONGEST_SUMMARY_BYTES:
        raise ValueError(f"the profile is longer than {LONGEST_SUMMARY_BYTES >> 20} MiB")
    return HeapProfile.of(profiled_by, _stacks(raw.decode(errors="replace"), frame_of, in_live_heap))


def _stacks(text: str, frame_of: FrameOf, in_live_heap: bool) -> Iterator[tuple[tuple[Frame, ...], int]]:
    frames: list[Frame] | None = None
    is_live = in_live_heap
    for number, line in enumerate(text.split("\n")):
        if number > _MOST_LINES:
            raise ValueError(f"the profile has more than {_MOST_LINES:,} lines")
        if line == HEAD:
            frames, is_live = [], in_live_heap
        elif frames is None:
            raise ValueError("the profile does not begin as one")
        elif line == _OUTSIDE:
            is_live = False
        elif line.startswith("f "):
            frames.append(replace(_frame(line[2:], frame_of), in_live_heap=is_live))
        elif line:
            calls, held_bytes = _held(line, frames)
            yield calls or (replace(_OTHERS, in_live_heap=is_live),), held_bytes
    if frames is None:
        raise ValueError("the profile is empty")


def _held(line: str, frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], int]:
    """Return a stack and its bytes. The memory of all other stacks has no frame."""
    if (rest := _REST.fullmatch(line)) is not None:
        return (), int(rest[1])
    stack = _STACK.fullmatch(line)
    if stack is None:
        raise ValueError("the profile has a line that cannot be read")
    numbers = [int(word) for word in stack[2].split()[:MOST_FRAMES]]
    if max(numbers) >= len(frames):
        raise ValueError("a stack of the profile names a frame that comes later, or never")
    return tuple(frames[at] for at in numbers), int(stack[1])


def _frame(text: str, frame_of: FrameOf) -> Frame:
    name, _, place = text.partition("\t")
    file, _, line = place.partition("\t")
    return frame_of(name, file or None, int(line) if re.fullmatch(r"[1-9]\d{0,6}", line) else None)
