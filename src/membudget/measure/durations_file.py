"""How long images took when they were last checked: shards are balanced by it. Wrong figures cost time alone."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import ImageName
from membudget.core.files import read_plain, write_whole

_LARGEST_FILE_BYTES = 2_000_000
_DURATIONS = TypeAdapter(
    Annotated[dict[ImageName, Annotated[int, Field(ge=0, le=7 * 24 * 3_600_000)]], Field(max_length=MOST_IMAGES)]
)


def read_durations(folder: Path) -> dict[str, int]:
    """Milliseconds by image; empty where nothing usable is there."""
    try:
        return _DURATIONS.validate_json(read_plain(_path(folder), _LARGEST_FILE_BYTES), strict=True)
    except (OSError, ValidationError, RecursionError, ValueError):
        return {}


def remember_durations(folder: Path, durations_ms: Mapping[str, int]) -> None:
    """Keep them, beside those of other images. A folder that cannot be written costs balance, not the check."""
    together = {**read_durations(folder), **durations_ms}
    newest = dict(list(together.items())[-MOST_IMAGES:])
    with contextlib.suppress(OSError):
        write_whole(_path(folder), _DURATIONS.dump_json(newest))


def _path(folder: Path) -> Path:
    return folder / "durations.json"
