"""When a server wants to be asked again."""


def asked_wait(text: str | None) -> float | None:
    """Seconds of a Retry-After header; None where it names none, or a date."""
    return float(text) if text is not None and text.isdecimal() and len(text) <= 12 else None
