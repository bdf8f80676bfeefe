"""Memory limits as compose files and Kubernetes manifests write them, in bytes; and figures that people can read.

Sources: docker/go-units, `RAMInBytes` (every unit is a power of 1024); Kubernetes, "Resource units in Kubernetes".
"""

import re
from fractions import Fraction

from membudget.budgets.fields import LARGEST_SIZE_BYTES
from membudget.budgets.possible import SMALLEST_LIMIT_BYTES
from membudget.core.quantities import GIB, MIB

_COMPOSE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([kmgtp]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_KUBERNETES = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([KMGTP]i|[kMGTPm]|[eE]\d{1,2})?", re.ASCII)
_POWERS = "kmgtp"

_STEPS_MIB = ((10, 1), (40, 2), (200, 5), (500, 10), (2000, 50), (5000, 100), (20_000, 500))
"""Up to how many MiB a figure is rounded up to which multiple."""


def compose_limit(text: str) -> int | None:
    """Return the bytes of a compose size such as "512m". None if it is none, or no limit that can be set."""
    matched = _COMPOSE.fullmatch(text.strip())
    if matched is None:
        return None
    unit = matched[2].lower()
    return _possible(Fraction(matched[1]) * 1024 ** (_POWERS.index(unit) + 1 if unit else 0))


def kubernetes_limit(text: str) -> int | None:
    """Return the bytes of a Kubernetes quantity such as "128Mi". None if it is none, or no limit that can be set."""
    matched = _KUBERNETES.fullmatch(text.strip())
    if matched is None:
        return None
    number, unit = Fraction(matched[1]), matched[2] or ""
    if unit.endswith("i"):
        return _possible(number * 1024 ** (_POWERS.index(unit[0].lower()) + 1))
    if unit == "m":
        return _possible(number / 1000)
    if unit[:1] in ("e", "E"):
        return _possible(number * 10 ** int(unit[1:]))
    return _possible(number * 1000 ** (_POWERS.index(unit.lower()) + 1) if unit else number)


def _possible(size: Fraction) -> int | None:
    return int(size) if SMALLEST_LIMIT_BYTES <= size <= LARGEST_SIZE_BYTES else None


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
