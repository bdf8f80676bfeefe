"""Limits and budgets that follow from what was measured, as figures that people can read."""

from membudget.core.quantities import GIB, MIB

_STEPS_MIB = ((10, 1), (40, 2), (200, 5), (500, 10), (2000, 50), (5000, 100), (20_000, 500))
"""Up to how many MiB a figure is rounded up to which multiple."""


def rounded_up(size_bytes: int) -> int:
    """Return a size rounded up to a figure in MiB that people can read: 112.1 MiB becomes 115 MiB."""
    step = next((step for most, step in _STEPS_MIB if size_bytes <= most * MIB), 1024) * MIB
    return -(-size_bytes // step) * step


def as_written(size_bytes: int) -> str:
    """Return a size as a budgets file has it, exactly: "1GiB", "120MiB", or bytes."""
    for name, unit in (("GiB", GIB), ("MiB", MIB)):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{name}"
    for name, unit in (("GB", 10**9), ("MB", 10**6)):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{name}"
    return f"{size_bytes}B"


_SMALLEST_OWN_LIMIT_BYTES = 16 * MIB
_SMALLEST_MARGIN_BYTES = 2 * MIB
"""Less than that, two runs of the same image may differ."""


def limit_for(peak_rss_bytes: int | None, working_set_bytes: int | None) -> int:
    """Return a memory limit for what a container used without one: half as much again, for what also counts to it.

    The kernel charges page cache and its own memory to the limit as well, so the working set counts if it is larger.
    """
    used = max(peak_rss_bytes or 0, working_set_bytes or 0)
    return max(_SMALLEST_OWN_LIMIT_BYTES, rounded_up(used * 3 // 2))


def maximum_for(measured_bytes: int) -> int:
    """Return a budget for a figure that was measured: a fifth more, and not less than 2 MiB more."""
    return rounded_up(max(measured_bytes * 6 // 5, measured_bytes + _SMALLEST_MARGIN_BYTES))
