"""The comments above values in a budgets file that membudget wrote: where a limit or a budget comes from.

`init` writes them. `fit --write` replaces them, because it replaces the values, and keeps every other comment.
"""

import math
import re
from datetime import date

from membudget.core.quantities import MIB, format_scale, format_size

NOT_MEASURED = "TODO: not measured. A limit to begin with"
_NO_FILE = "no file sets a limit: "
_GENERATED = re.compile(
    rf"from \S+:\d+|{re.escape(_NO_FILE)}.+|the limit of \S+ \S+ in .+ is too small: .+|{re.escape(NOT_MEASURED)}"
    r"|measured [\d.,]+ \S+; \+.+|fit on \d{4}-\d\d-\d\d: .+"
)


def from_place(place: str) -> str:
    """Return the comment on a value that a file of the repository has."""
    return f"from {place}"


def no_file_sets_it(derived: str) -> str:
    """Return the comment on a limit that follows from a measurement, because no file sets one."""
    return f"{_NO_FILE}{derived}"


def too_small(size_bytes: int, place: str, derived: str) -> str:
    """Return the comment on a limit that follows from a measurement, because the deployed one does not suffice."""
    return f"the limit of {format_size(size_bytes)} in {place} is too small: {derived}"


def measured(measured_bytes: int, value_bytes: int) -> str:
    """Return the comment on a budget: what was measured, and how much more the budget allows."""
    return f"measured {format_size(measured_bytes)}; {_margin(measured_bytes, value_bytes)}"


def fitted(day: date, survives_bytes: int, comfortable_bytes: int | None, limit_bytes: int, scale: float = 1.0) -> str:
    """Return the comment on a limit that follows from a fit."""
    comfortable = f", comfortable at {format_size(comfortable_bytes)}" if comfortable_bytes is not None else ""
    needed = comfortable_bytes if comfortable_bytes is not None else survives_bytes
    margin = f"{format_scale(scale)} {_margin(math.ceil(needed * scale), limit_bytes)}".lstrip()
    return f"fit on {day}: survives at {format_size(survives_bytes)}{comfortable}; {margin}"


def fitted_peak(day: date, peak_bytes: int | None, maximum_bytes: int) -> str:
    """Return the comment on a budget for peak RSS after a fit. `peak_bytes` is None if it grows with the limit."""
    if peak_bytes is None:
        return f"fit on {day}: its memory grows with the limit"
    return f"fit on {day}: peak RSS of {format_size(peak_bytes)}; {_margin(peak_bytes, maximum_bytes)}"


def is_generated(comment: str) -> bool:
    """Return whether the text after a `#` is one of these comments."""
    return _GENERATED.fullmatch(comment.strip()) is not None


def _margin(used_bytes: int, value_bytes: int) -> str:
    """Return how much larger a value is: in percent, or as a size if it is small."""
    if used_bytes < 10 * MIB:
        return f"+{format_size(value_bytes - used_bytes)}"
    return f"+{100 * (value_bytes - used_bytes) / used_bytes:.0f} %"
