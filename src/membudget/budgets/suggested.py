"""Limits and budgets that follow from what was measured, as figures that people can read."""

from membudget.core.quantities import GIB, KIB, MIB

_STEPS_MIB = ((10, 1), (40, 2), (200, 5), (500, 10), (2000, 50), (5000, 100), (20_000, 500))
"""Up to how many MiB a figure is rounded up to which multiple."""


def rounded_up(size_bytes: int) -> int:
    """Return a size rounded up to a figure in MiB that people can read: 112.1 MiB becomes 115 MiB."""
    step = _step(size_bytes)
    return -(-size_bytes // step) * step


def _step(size_bytes: int) -> int:
    return next((step for most, step in _STEPS_MIB if size_bytes <= most * MIB), 1024) * MIB


def rounded_down(size_bytes: int) -> int:
    """Return a size rounded down in the same way. Below 1 MiB, to whole KiB."""
    step = _step(size_bytes) if size_bytes >= MIB else KIB
    return size_bytes // step * step


_ROOM = 1.05


def accepted_size(size_bytes: int) -> int:
    """Return a budget that accepts a measured size, with 5 % of room: its next run may need a little more."""
    wanted = round(size_bytes * _ROOM)
    return rounded_up(wanted) if wanted >= MIB else -(-wanted // KIB) * KIB


def accepted_duration(duration: int) -> int:
    """Return a budget that accepts a measured time in any unit, with 5 % of room: a number of two digits."""
    wanted = round(duration * _ROOM)
    step = int(10 ** max(0, len(str(wanted)) - 2))
    return -(-wanted // step) * step


def accepted_rate(thousandths: int) -> int:
    """Return a budget that accepts a measured rate, with 5 % of room: a number of three digits, rounded down."""
    wanted = int(thousandths / _ROOM)
    step = int(10 ** max(0, len(str(wanted)) - 3))
    return wanted // step * step


def latency_as_written(duration_us: int) -> str:
    """Return a latency as a budgets file has it, exactly: "850us", "2.5ms"."""
    if duration_us % 1000 == 0:
        return duration_as_written(duration_us // 1000)
    return f"{_decimal(duration_us)}ms" if duration_us > 1000 else f"{duration_us}us"


def _decimal(thousandths: int) -> str:
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")


def duration_as_written(duration_ms: int) -> str:
    """Return a duration as a budgets file has it, exactly: "350ms", "1.3s"."""
    return f"{duration_ms / 1000:g}s" if duration_ms >= 1000 and duration_ms % 100 == 0 else f"{duration_ms}ms"


def as_written(size_bytes: int) -> str:
    """Return a size as a budgets file has it, exactly: "1GiB", "120MiB", or bytes."""
    for name, unit in (("GiB", GIB), ("MiB", MIB)):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{name}"
    for name, unit in (("GB", 10**9), ("MB", 10**6), ("KiB", KIB)):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{name}"
    return f"{size_bytes}B"


SMALLEST_OWN_LIMIT_BYTES = 32 * MIB
_SMALLEST_MARGIN_BYTES = 2 * MIB
"""Less than that, two runs of the same image may differ."""


def limit_for(peak_rss_bytes: int | None, working_set_bytes: int | None) -> int:
    """Return a memory limit for what a container used without one: half as much again, for what also counts to it.

    The kernel charges page cache and its own memory to the limit as well, so the working set counts if it is larger.
    """
    used = max(peak_rss_bytes or 0, working_set_bytes or 0)
    return max(SMALLEST_OWN_LIMIT_BYTES, rounded_up(used * 3 // 2))


def maximum_for(measured_bytes: int) -> int:
    """Return a budget for a figure that was measured: a fifth more, and not less than 2 MiB more."""
    return rounded_up(max(measured_bytes * 6 // 5, measured_bytes + _SMALLEST_MARGIN_BYTES))
