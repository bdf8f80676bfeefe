"""A file that is written whole or not at all."""

import os
import tempfile
from pathlib import Path

from membudget.errors import EnvironmentFault


def write_text(text: str, path: Path, what: str) -> None:
    """Write the whole file or none of it. `what` it is, for the message. Raises EnvironmentFault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EnvironmentFault(f"{what} cannot be written: {error.strerror}", where=str(path)) from None
