"""A file that is written whole or not at all."""

from pathlib import Path

from membudget.core.errors import EnvironmentFault
from membudget.core.files import write_whole


def write_text(text: str | bytes, path: Path, what: str) -> None:
    """Write the whole file or none of it. `what` it is, for the message. Raises EnvironmentFault."""
    try:
        write_whole(path, text.encode() if isinstance(text, str) else text, mode=0o644)
    except OSError as error:
        raise EnvironmentFault(f"{what} cannot be written: {error.strerror}", where=str(path)) from None
