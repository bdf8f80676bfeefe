"""Keeps every trial of a fit, one file per image and settings, so that an interrupted fit goes on where it was.

The same results lead to the same questions (`search`), so the kept trials are replayed in the order in which they were
run. A file that cannot be read costs time, and nothing else.
"""

import contextlib
import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from membudget.advise.rung import Tried
from membudget.core.closed_model import ClosedModel
from membudget.core.files import read_plain, write_whole
from membudget.measure.cache import MEASURING_VERSION
from membudget.publish.json_bounds import impossible_numbers
from membudget.version import VERSION

_LARGEST_FILE_BYTES = 20_000_000
_MOST_TRIALS = 10_000
_MOST_FILES = 200


class _File(ClosedModel):
    format: Literal[1] = 1
    measuring_version: int = MEASURING_VERSION
    membudget_version: str = VERSION
    trials: Annotated[tuple[Tried, ...], Field(max_length=_MOST_TRIALS)]


class KeptTrials:
    """The trials of one image, those of earlier runs first. Each is handed out once."""

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        """Use the file at `path`. None keeps nothing."""
        self._path = path
        self._warn = warn
        self._trials = list(_read(path)) if path is not None else []
        self._waiting: dict[int | None, deque[Tried]] = defaultdict(deque)
        for trial in self._trials:
            self._waiting[trial.limit_bytes].append(trial)

    @property
    def all(self) -> Sequence[Tried]:
        """All trials, including those that were handed out."""
        return tuple(self._trials)

    def take(self, limit_bytes: int | None) -> Tried | None:
        """Return the next trial of an earlier run at a limit, or None if all have been handed out."""
        waiting = self._waiting[limit_bytes]
        return waiting.popleft() if waiting else None

    def add(self, trial: Tried) -> None:
        """Keep a trial. If it cannot be written, a later run repeats it."""
        if self._path is None or len(self._trials) >= _MOST_TRIALS:
            return
        self._trials.append(trial)
        try:
            write_whole(self._path, _File(trials=tuple(self._trials)).model_dump_json().encode())
        except OSError as error:
            self._warn(f"{self._path.parent} cannot be written: {error.strerror}. A later fit repeats these trials")
            self._path = None


class FitFolder:
    """The folder of all such files."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder / "fits"
        self._warn = warn

    def trials(self, key: str | None) -> KeptTrials:
        """Return the trials that are kept under `key`. If it is None, nothing is kept: no key holds all that counts."""
        if key is None:
            return KeptTrials(None, self._warn)
        name = hashlib.sha256(f"fit {key}".encode()).hexdigest()
        return KeptTrials(self._folder / f"{name}.json", self._warn)

    def prune(self) -> None:
        """Remove the oldest files beyond 200."""
        with contextlib.suppress(OSError):
            files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in files[_MOST_FILES:]:
                path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[Tried, ...]:
    """Return the trials of a file, or none if it is missing, damaged, or from another version."""
    try:
        data = read_plain(path, _LARGEST_FILE_BYTES)
        if any(impossible_numbers(data)):
            return ()
        file = _File.model_validate_json(data, strict=True)
    except (OSError, ValidationError, RecursionError, ValueError):
        return ()
    return file.trials if (file.measuring_version, file.membudget_version) == (MEASURING_VERSION, VERSION) else ()
