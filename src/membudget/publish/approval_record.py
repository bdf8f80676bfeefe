"""What a label approved, kept as a hidden line of our comment: the event of a later push does not say it."""

import re

_LINE = re.compile(r"<!-- membudget-approved:(?P<digest>[0-9a-f]{64}) -->", re.ASCII)
_HIDDEN = "<!-- membudget"
"""What our hidden lines begin with. They are the first of the comment: what we quote comes after them."""


def encode(digest: str) -> str:
    """The hidden line."""
    return f"<!-- membudget-approved:{digest} -->"


def hidden_lines(body: str) -> list[str]:
    """Those of a comment of ours, the marker first."""
    hidden = []
    for line in body.replace("\r\n", "\n").split("\n"):
        if not line.startswith(_HIDDEN):
            break
        hidden.append(line)
    return hidden


def approved_digest(body: str) -> str | None:
    """Of what was approved when a comment of ours was written; None where nothing was."""
    found = [matched["digest"] for line in hidden_lines(body) if (matched := _LINE.fullmatch(line))]
    return found[0] if len(found) == 1 else None
