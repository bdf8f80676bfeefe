"""The page's data about heap profiles: the calls of both sides as one tree, with what each holds."""

from dataclasses import dataclass, field
from heapq import nlargest

from membudget.core.untrusted_text import Json, printable
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, PairProfile
from membudget.report.growth_words import PROFILERS, place_text

_LONGEST_PLACE = 120
_LONGEST_NAME = 60

_Key = tuple[str | None, str]
_Place = tuple[str, str, bool]
"""A place as its text and its function, and whether it is a library."""


@dataclass(slots=True)
class _Call:
    """A function called in one way, or the memory of everything."""

    frame: Frame | None
    """Head's, if head has it. None for everything."""
    depth: int
    sizes: list[int] = field(default_factory=lambda: [0, 0])
    """What it and the calls below it hold, in base and in head."""
    calls: "dict[_Key, _Call]" = field(default_factory=dict)


def profile_data(image: ImageMeasurement, most: int) -> dict[str, Json] | None:
    """Return the tree of calls, at most `most` of them. None without a profile of the head, or if nothing fits."""
    pair = image.profile
    head = pair.head.profile if pair is not None and pair.head is not None else None
    if pair is None or head is None or not most:
        return None
    base = pair.base.profile if pair.base is not None else None
    if base is not None and base.profiled_by is not head.profiled_by:
        base = None
    root = _Call(None, 0)
    for side, profile in ((0, base), (1, head)):
        if profile is not None:
            _add(root, side, profile)
    every = _all(root)
    chosen = {id(call) for call in nlargest(most, every, key=lambda call: (max(call.sizes), -call.depth))}
    places: dict[_Place, int] = {}
    tree = _tree(root, chosen, places, pair)
    return {
        "by": PROFILERS[head.profiled_by],
        "isCompared": base is not None,
        "held": [base.held_bytes if base is not None else None, head.held_bytes],
        "places": list(map(list, places)),
        "calls": tree,
        "count": len(every),
        "shown": len(chosen),
    }


def _add(root: _Call, side: int, profile: HeapProfile) -> None:
    for stack in profile.stacks:
        here = root
        here.sizes[side] += stack.held_bytes
        for index in reversed(stack.frames):
            frame = profile.frames[index]
            here = here.calls.setdefault((frame.file, frame.name), _Call(frame, here.depth + 1))
            if side == 1 and not here.sizes[1]:
                here.frame = frame  # lines move: head's are the ones to look up
            here.sizes[side] += stack.held_bytes


def _all(call: _Call) -> list[_Call]:
    found = list(call.calls.values())
    for one in found:  # grows while it is read
        found.extend(one.calls.values())
    return found


def _tree(call: _Call, chosen: set[int], places: dict[_Place, int], pair: PairProfile) -> list[Json]:
    """Return the chosen calls below a call as [place, base, head, calls below], the largest first."""
    below = sorted((one for one in call.calls.values() if id(one) in chosen), key=lambda one: -max(one.sizes))
    made: list[Json] = []
    for one in below:
        if one.frame is not None:
            text = printable(place_text(one.frame, pair), _LONGEST_PLACE) or "?"
            place = text, printable(one.frame.name, _LONGEST_NAME), one.frame.is_library
            number = places.setdefault(place, len(places))
            made.append([number, *one.sizes, _tree(one, chosen, places, pair)])
    return made
