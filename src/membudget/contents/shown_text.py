"""Paths and names of an image as they are written down: whatever bytes they are made of, and however long."""

LONGEST = 512


def shown(text: str, longest: int = LONGEST) -> str:
    """A path or a name as text, cut in its middle where it is too long."""
    clean = text.encode(errors="surrogateescape").decode(errors="replace")
    if len(clean) <= longest:
        return clean
    half = longest // 2 - 1
    return f"{clean[:half]}…{clean[-half:]}"
