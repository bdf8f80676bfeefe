"""The history of main in a folder, such as a runner's volume or a checkout that is committed by other means."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from membudget.build.history_place import Note, commit_of, file_name, joined
from membudget.core.errors import EnvironmentFault
from membudget.core.files import read_plain, refuse_links, write_whole


class FolderHistory:
    """The lines that a folder keeps for commits: a file for each."""

    has_remote = False

    def __init__(self, folder: Path) -> None:
        """Start without any access. The folder need not exist."""
        self._folder = folder

    def fetch(self) -> bool:
        """Return whether there is a folder."""
        return self._folder.is_dir()

    def notes(self, commits: Iterable[str] | None, most_bytes: int) -> Iterator[Note]:
        """Yield what is kept of `commits`, in their order. None: of all commits. Raises EnvironmentFault."""
        for commit in commits if commits is not None else self._commits():
            data = self._read(commit, most_bytes)
            if data is not None:
                yield Note(commit, data if len(data) <= most_bytes else None)

    def append(self, lines: Mapping[str, bytes]) -> None:
        """Add lines, by commit. Each file is written whole. Raises EnvironmentFault."""
        for commit, new in lines.items():
            path = self._folder / file_name(commit)
            there = self._read(commit, 1 << 30) or b""
            try:
                refuse_links(path)
                write_whole(path, joined(there, new), mode=0o644)
            except OSError as error:
                raise EnvironmentFault(f"the history cannot be written: {error.strerror}", where=str(path)) from None

    def _commits(self) -> Iterator[str]:
        found = (commit_of(name) for _, _, names in os.walk(self._folder) for name in sorted(names))
        yield from (commit for commit in found if commit is not None)

    def _read(self, commit: str, most_bytes: int) -> bytes | None:
        """Return a commit's lines, or one byte more than `most_bytes`. None if there are none."""
        path = self._folder / file_name(commit)
        try:
            refuse_links(path)
            return read_plain(path, most_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EnvironmentFault(f"the history cannot be read: {error.strerror}", where=str(path)) from None
