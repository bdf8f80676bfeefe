"""Reads files of the repository for `init`: those that git tracks or would track, bounded in size and number.

A clone may be anybody's. Links that lead out of the repository, devices, pipes and large files are skipped with the
reason, and nothing outside of the working tree is read.
"""

import posixpath
from collections.abc import Callable, Iterable
from pathlib import Path

from membudget.core.errors import shortened
from membudget.core.files import read_plain
from membudget.core.quantities import KIB, MIB, format_size
from membudget.manifests.yaml_text import InvalidYaml, YamlValue, read_values
from membudget.setup.found import Skipped

LARGEST_TEXT_BYTES = 256 * KIB
"""The largest file that is read. Real Dockerfiles and manifests are far smaller."""
_MOST_BYTES = 32 * MIB
_MOST_YAML = 4 * MIB
"""Reading a mebibyte of YAML takes about ten seconds."""
_MOST_NAMES = 500_000
_MOST_COMPARED = 1000
"""How many files are compared with HEAD. Each takes git some milliseconds."""
_MOST_SKIPPED = 200
_OF_OTHERS = frozenset({"node_modules", "vendor", "third_party", "testdata", ".devcontainer", ".git"})
"""Folders whose Dockerfiles and manifests belong to other projects, to tests or to editors."""


class _Unusable(Exception):
    """A file is skipped. The message says why."""


Committed = Callable[[str], str | None]
"""Returns the text of a file in HEAD, by its path. None if HEAD has no such file, or a large one."""


def _nothing_committed(_: str) -> None:
    return None


class RepositoryFiles:
    """The files of a working tree, by their path from its top."""

    def __init__(self, top: Path, names: Iterable[str], committed: Committed = _nothing_committed) -> None:
        """`names` are the paths that git lists."""
        self._top = top.resolve()
        self._committed = committed
        self._are_committed: dict[str, bool] = {}
        self._in_head: dict[str, bool] = {}
        self._left_bytes = _MOST_BYTES
        self._left_of_yaml = _MOST_YAML
        self.skipped: list[Skipped] = []
        listed = sorted(set(names))
        if len(listed) > _MOST_NAMES:
            self.skip(".", f"the repository has more than {_MOST_NAMES:,} files; the others were not looked at")
        self.names = tuple(name for name in listed[:_MOST_NAMES] if not _OF_OTHERS.intersection(name.split("/")))
        self._known = frozenset(self.names)
        self._folders = frozenset(_folders(self.names))

    def having(self, is_wanted: Callable[[str], bool]) -> list[str]:
        """Return the paths that are wanted, those nearest to the top first. Names that are not UTF-8 are skipped."""
        found = []
        for name in self.names:
            if not is_wanted(name):
                continue
            if _is_text(name):
                found.append(name)
            else:
                self.skip(name, "its name is not UTF-8, and a budgets file could not name it")
        return sorted(found, key=lambda name: (name.count("/"), name))

    def has(self, name: str) -> bool:
        """Return whether there is a file or a folder at a path."""
        path = posixpath.normpath(name)
        return path == "." or path in self._known or path in self._folders

    def has_file(self, name: str) -> bool:
        """Return whether there is a file at a path."""
        return posixpath.normpath(name) in self._known

    def has_folder(self, name: str) -> bool:
        """Return whether there is a folder at a path."""
        path = posixpath.normpath(name)
        return path == "." or path in self._folders

    def text(self, name: str) -> str | None:
        """Return the text of a file. None if it is skipped, which `skipped` then says with the reason."""
        try:
            return self._read(self._inside(name))
        except _Unusable as error:
            self.skip(name, str(error))
            return None

    def is_committed(self, name: str) -> bool:
        """Return whether HEAD has a file with the very text that was read here, so that its text is no secret.

        False for files that git ignores or does not know yet, for edited ones, for links to such files, and for files
        that a filter decrypts.
        """
        if name not in self._are_committed and len(self._are_committed) >= _MOST_COMPARED:
            return False
        if name not in self._are_committed:
            try:
                path = self._inside(name)
                text = read_plain(path, LARGEST_TEXT_BYTES).decode()
                self._are_committed[name] = text == self._committed(path.relative_to(self._top).as_posix())
            except (OSError, UnicodeDecodeError, _Unusable):
                self._are_committed[name] = False
        return self._are_committed[name]

    def in_head(self, name: str) -> bool:
        """Return whether HEAD has a text file at a path. A check sees only what HEAD has."""
        if name not in self._known:
            return False
        if name not in self._in_head:
            self._in_head[name] = len(self._in_head) < _MOST_COMPARED and self._committed(name) is not None
        return self._in_head[name]

    def _inside(self, name: str) -> Path:
        """Return the path of a file, with links followed. Raises _Unusable if it is not in the repository."""
        try:
            resolved = (self._top / name).resolve(strict=True)
            parts = resolved.relative_to(self._top).parts
        except (OSError, ValueError, RuntimeError):  # missing, too long, out of the repository, or links in a circle
            raise _Unusable("it is missing, or a link that leads out of the repository") from None
        if ".git" in parts:
            raise _Unusable("it is a link into git's own folder")
        return resolved

    def _read(self, path: Path) -> str:
        if self._left_bytes <= 0:
            raise _Unusable(f"more than {format_size(_MOST_BYTES)} of such files were read before")
        try:
            content = read_plain(path, LARGEST_TEXT_BYTES)
        except OSError as error:
            raise _Unusable(f"it cannot be read: {error.strerror}") from None
        self._left_bytes -= len(content)
        if len(content) > LARGEST_TEXT_BYTES:
            raise _Unusable(f"it is larger than {format_size(LARGEST_TEXT_BYTES)}")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise _Unusable("it is not UTF-8 text") from None

    def documents(self, name: str, text: str | None = None) -> list[YamlValue]:
        """Return the YAML documents of a file, whose text may be known. Empty if it is skipped."""
        read = self.text(name) if text is None else text
        if read is None:
            return []
        self._left_of_yaml -= len(read)
        if self._left_of_yaml < 0:
            self.skip(name, f"more than {format_size(_MOST_YAML)} of YAML were read before")
            return []
        try:
            return read_values(read)
        except InvalidYaml as error:
            self.skip(name, f"line {error.line} is not valid YAML: {shortened(error.reason, 150)}")
            return []

    def skip(self, path: str, reason: str) -> None:
        """Note that something was not used, and why."""
        skipped = Skipped(path, reason)
        if skipped not in self.skipped and len(self.skipped) < _MOST_SKIPPED:
            self.skipped.append(skipped)


def _is_text(name: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _folders(names: Iterable[str]) -> set[str]:
    """Return all folders that contain a file."""
    folders: set[str] = set()
    for name in names:
        folder = posixpath.dirname(name)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return folders
