"""The memory of one place in the code by its lines, and which of them to show."""

from collections import Counter
from collections.abc import Callable

from membudget.measure.profiling.heap_profile import Frame, SourceLine

_NEAR = 0.8
"""The part of the largest growth of a line from which another line grew about as much. Samples are less exact."""


class HeldLines:
    """The memory of one place on one side, in bytes."""

    def __init__(self) -> None:
        self._frames: Counter[Frame] = Counter()
        self._lines: Counter[int | None] = Counter()

    def add(self, frame: Frame, held_bytes: int) -> None:
        """Add the memory of one stack, with its frame of this place."""
        self._frames[frame] += held_bytes
        self._lines[frame.line] += held_bytes

    @property
    def held_bytes(self) -> int:
        """The memory of all lines."""
        return self._frames.total()

    @property
    def frames(self) -> tuple[Frame, ...]:
        """A frame of each line. The line that holds most is first."""
        of_lines: dict[int | None, Frame] = {}
        for frame in sorted(self._frames, key=lambda one: (-self._frames[one], one.is_library, one.in_live_heap)):
            of_lines.setdefault(frame.line, frame)
        return tuple(sorted(of_lines.values(), key=lambda one: (-self._lines[one.line], one.line or 0)))

    def grown_most(self, base: "HeldLines", least_bytes: int, source_of: Callable[[Frame], SourceLine | None]) -> Frame:
        """Return a frame of the line that grew most since the base, in all stacks together.

        If several lines grew about as much, it is one that the pull request changed. If no line grew by `least_bytes`,
        it is the line that holds most.
        """
        frames = self.frames
        sources = {frame.line: source_of(frame) for frame in frames}
        grown = {line: self._lines[line] - base.at_base_of(line, source) for line, source in sources.items()}
        most = max(grown.values())
        if most < least_bytes:
            return frames[0]
        near = [frame for frame in frames if grown[frame.line] >= _NEAR * most]
        changed = [one for one in near if (source := sources[one.line]) is not None and source.is_changed]
        return max(changed or near, key=lambda one: grown[one.line])  # of equal ones, the first: it holds most

    def at_base_of(self, head_line: int | None, source: SourceLine | None) -> int:
        """Return the bytes that the line of base holds that a line of head was. 0 if the diff adds the line."""
        if source is None:
            return self._lines[head_line]
        return self._lines[source.base_line] if source.base_line is not None else 0
