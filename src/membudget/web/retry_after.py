"""How long a server asks to be left alone (RFC 9110, 10.2.3, "Retry-After")."""

from datetime import UTC
from email.utils import parsedate_to_datetime

_LONGEST_NUMBER = 12
_LONGEST_DATE = 64


def asked_wait(text: str | None, now: float) -> float | None:
    """Seconds from `now`, as `time.time` has it. None where the header is absent, or has neither seconds nor a date."""
    seconds = whole_number(text)
    if seconds is not None or text is None or len(text) > _LONGEST_DATE:
        return seconds
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def whole_number(text: str | None) -> float | None:
    """A header's number: up to twelve plain digits. None where it is anything else."""
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return float(text) if is_number and text is not None else None
