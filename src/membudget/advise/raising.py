"""How far a limit is raised when a trial fails at it, and which lower limit is worth a try after that.

A failure says that a trial needs more than the limit, and not how much more. So a limit is raised further each time.
After that it may be far too high. What the trials at the raised limit used then says where to look below it.
"""

from collections.abc import Sequence

from membudget.advise.rung import GRID_BYTES, Tried, aligned_up, step_bytes

MOST_RAISES = 6
MOST_LOWERED = 2
"""How many limits are confirmed below limits that were raised."""
_NEAR_STEPS = 4
"""A raised limit that is at most this many steps above one that failed is not lowered: it takes as many trials."""
_MOSTLY_CACHE = 2
"""A kernel's mark of this many times a limit counts page cache, which can be reclaimed."""


def raised(limit_bytes: int, raises: int, tried: Sequence[Tried], *, sizes_itself: bool) -> int:
    """Return the limit to try after a failure: further above it with each raise, and above every mark that was seen.

    `sizes_itself` says that memory depends on the limit. Then marks without a limit, or at a larger one, say nothing.
    """
    marks = [] if sizes_itself else [mark for mark in map(_mark, tried) if mark < _MOSTLY_CACHE * limit_bytes]
    seen = aligned_up(max(marks, default=0) + GRID_BYTES)
    return max(limit_bytes + (1 << raises) * step_bytes(limit_bytes), seen)


def lowered(failed_bytes: int, passed_bytes: int, tried: Sequence[Tried]) -> int | None:
    """Return a limit between one that failed and one that passed every trial. None if none of them is worth a try.

    It is a step above the highest mark of the kernel at the one that passed, or above it. Less is too little for some
    trials. If these marks say nothing, because page cache filled a limit, or if they are below the one that failed, it
    is in the middle.
    """
    step = step_bytes(passed_bytes)
    if passed_bytes - failed_bytes <= _NEAR_STEPS * step:
        return None
    above = [trial for trial in tried if trial.limit_bytes is not None and trial.limit_bytes >= passed_bytes]
    seen = aligned_up(max(map(_mark, above), default=0) + GRID_BYTES) + step_bytes(failed_bytes)
    if not all(map(_mark, above)) or seen <= failed_bytes + step:
        return aligned_up((failed_bytes + passed_bytes) // 2)
    return seen if seen <= passed_bytes - step else None


def _mark(trial: Tried) -> int:
    """Return the kernel's mark of a trial that passed below its limit, so that it did not need more. Else 0."""
    mark, limit = trial.peak_memory_bytes or 0, trial.limit_bytes
    return mark if trial.passed and (limit is None or mark + GRID_BYTES < limit) else 0
