"""Where the history of main is kept: in git notes, on a branch, or in a folder; and what is kept there for a commit."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from membudget.core.errors import ConfigurationError, shortened

NOTES = "notes"
NOTES_REF = "refs/notes/membudget"
MOST_COMMITS = 20_000
"""The most commits of the main branch that are looked at, newest first."""
PLACE_HINT = "notes, notes:NAME, branch:NAME or folder:PATH"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SUFFIX = ".jsonl"


class PlaceKind(StrEnum):
    """The kind of place. The value is how people write it."""

    NOTES = "notes"
    BRANCH = "branch"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class HistoryPlace:
    """A place for the history."""

    kind: PlaceKind
    name: str
    """The ref of notes or of a branch, or the path of a folder."""

    @property
    def is_ref(self) -> bool:
        """Whether git keeps the lines, so that they can be pushed."""
        return self.kind is not PlaceKind.FOLDER

    def __str__(self) -> str:
        match self.kind:
            case PlaceKind.NOTES:
                return f"git notes {self.name}"
            case PlaceKind.BRANCH:
                return f"branch {self.name.removeprefix('refs/heads/')}"
            case PlaceKind.FOLDER:
                return f"folder {self.name}"


DEFAULT_PLACE = HistoryPlace(PlaceKind.NOTES, NOTES_REF)


def parse_place(text: str) -> HistoryPlace:
    """Return the place that people write as "notes", "notes:NAME", "branch:NAME" or "folder:PATH".

    Raises ConfigurationError.
    """
    kind, _, name = text.partition(":")
    if text == NOTES:
        return DEFAULT_PLACE
    if kind == PlaceKind.FOLDER and name and "\0" not in name:
        return HistoryPlace(PlaceKind.FOLDER, name)
    if kind in (PlaceKind.NOTES, PlaceKind.BRANCH) and _is_ref_name(name):
        top = "refs/notes/" if kind == PlaceKind.NOTES else "refs/heads/"
        return HistoryPlace(PlaceKind(kind), f"{top}{name.removeprefix(top)}")
    raise ConfigurationError(f"{shortened(text)!r} is no place for the history", fix=f"use {PLACE_HINT}")


def _is_ref_name(name: str) -> bool:
    """Return whether git takes a name for a ref (git-check-ref-format(1)). A few more are refused."""
    parts = name.split("/")
    is_odd = any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts)
    return bool(_NAME.fullmatch(name)) and ".." not in name and not is_odd


@dataclass(frozen=True, slots=True)
class Note:
    """What is kept of one commit."""

    commit: str
    data: bytes | None
    """The lines. None if there are more bytes than were asked for."""


def file_name(commit: str) -> str:
    """Return the path of a commit's file on a branch or in a folder. Few files share a folder."""
    return f"{commit[:2]}/{commit}{_SUFFIX}"


def commit_of(path: str) -> str | None:
    """Return the commit that a path of notes, of a branch or of a folder is about. None if it is about none.

    Git spreads notes over folders once there are many (`ab/cdef…`).
    """
    name = PurePosixPath(path).name
    sha = name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else path.replace("/", "")
    return sha if _SHA.fullmatch(sha) else None


def joined(*parts: bytes) -> bytes:
    """Return the union of files of lines, sorted, as `git notes merge -s cat_sort_uniq` would make it."""
    lines = {line for part in parts for line in part.split(b"\n") if line and not line.isspace()}
    return b"".join(line + b"\n" for line in sorted(lines))
