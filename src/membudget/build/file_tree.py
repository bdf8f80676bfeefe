"""Compares the files of a folder, an archive or a checkout with each other or with the commit.

A checkout is compared with its commit by hashing every file, because git's index cannot be trusted.
"""

import hashlib
import os
import stat
import tarfile
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol

_FILE = "file"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A regular file or a symbolic link. Times are not included, because every checkout sets them anew."""

    kind: str
    mode: int
    """The permission bits, or 0 for links."""
    content: str
    """The SHA-256 of a file, or the target of a link."""
    size_bytes: int = 0


@dataclass(frozen=True)
class FileTree:
    """Files and links by path. Folders are not included, because git does not keep them."""

    entries: Mapping[str, FileEntry]

    @property
    def size_bytes(self) -> int:
        """Return the total size of the files."""
        return sum(entry.size_bytes for entry in self.entries.values())

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of everything by which two trees are compared."""
        digest = hashlib.sha256()
        for path, entry in sorted(self.entries.items()):
            fields = (path, entry.kind, f"{entry.mode:o}", entry.content)
            for part in fields:
                digest.update(os.fsencode(part) + b"\0")  # names, targets and digests do not contain NUL
        return digest.hexdigest()

    def differences(self, other: "FileTree") -> list[str]:
        """Return the paths of entries that differ, or that only one of the trees has."""
        paths = sorted({*self.entries, *other.entries})
        return [path for path in paths if self.entries.get(path) != other.entries.get(path)]


def read_folder(folder: Path) -> FileTree:
    """Read the tree below a folder. Raises OSError."""
    return FileTree(dict(_entries(folder, "")))


def file_entry(path: Path) -> FileEntry:
    """Read a regular file, following links. Raises OSError."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(_FILE, stat.S_IMODE(status.st_mode), content, status.st_size)


def content_names(top: Path, paths: Iterable[str]) -> tuple[str, ...] | None:
    """Return identifiers of the content at paths below `top`. Equal identifiers mean equal content, even through links.

    Return None if one of them cannot be determined: it is missing, it is outside of `top`, or a folder contains links.
    """
    names = [_content_name(top, path) for path in paths]
    return tuple(name for name in names if name is not None) if None not in names else None


def _content_name(top: Path, path: str) -> str | None:
    try:
        found = (top / path).resolve(strict=True)
        if not found.is_relative_to(top.resolve()):
            return None
        if found.is_file():
            entry = file_entry(found)
            return f"{path}: file {entry.mode:o} {entry.content}"
        tree = read_folder(found)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: the links form a circle
        return None
    is_plain = all(entry.kind == _FILE for entry in tree.entries.values())
    return f"{path}: folder {tree.digest}" if is_plain else None


def read_archive(stream: IO[bytes]) -> FileTree:
    """Read the tree of a tar archive, from start to end. Raises tarfile.TarError."""
    entries: dict[str, FileEntry] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").strip("/")
            if member.issym():
                entries[path] = FileEntry("link", 0, member.linkname)
            elif member.islnk():  # a hard link to an earlier entry
                earlier = entries.get(member.linkname.removeprefix("./").strip("/"))
                entries[path] = earlier or FileEntry("broken hard link", 0, member.linkname)
            elif member.isfile():
                content = archive.extractfile(member)
                assert content is not None  # noqa: S101 - a regular file has content
                digest = hashlib.file_digest(content, "sha256")  # type: ignore[arg-type] # its type annotations lack readers
                entries[path] = FileEntry(_FILE, member.mode & 0o7777, digest.hexdigest(), member.size)
            elif not member.isdir():
                entries[path] = FileEntry("special file", 0, "")
    return FileTree(entries)


def _entries(folder: Path, prefix: str) -> Iterator[tuple[str, FileEntry]]:
    with os.scandir(folder) as scanned:
        for one in scanned:
            path = f"{prefix}{one.name}"
            if one.is_symlink():
                target = os.readlink(one.path)  # noqa: PTH115 - a Path would leave out "./"
                yield path, FileEntry("link", 0, target)
            elif one.is_dir():
                yield from _entries(Path(one.path), f"{path}/")
            elif one.is_file():
                yield path, file_entry(Path(one.path))
            else:
                yield path, FileEntry("special file", 0, "")


_GITLINK = "160000"
_LINK = "120000"
_EXECUTABLE = "100755"
_CHUNK_BYTES = 1 << 20


class Git(Protocol):
    """The git commands that compare a checkout with its commit."""

    def listed(self, folder: Path) -> bytes:
        """Return the output of `ls-files -z -t --stage`."""

    def write_filtered(self, folder: Path, object_id: str, path: str, into: IO[bytes]) -> None:
        """Write a blob as git checks it out, with line endings, encodings and filters applied."""

    def is_set(self, folder: Path, key: str) -> bool:
        """Return whether a setting is true, which is the default."""


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    object_id: str
    is_skipped: bool
    """Whether a sparse checkout omits the file."""


def differences_from_commit(git: Git, folder: Path) -> list[str]:
    """Return descriptions of all differences between a checkout and its commit. The index must be that of the commit.

    The clone's settings and filters are trusted: a file as they check it out counts as committed. Raises OSError.
    """
    entries = dict(_parsed(git.listed(folder)))
    checkout = _Checkout(git, folder, git.is_set(folder, "core.fileMode"), git.is_set(folder, "core.symlinks"))
    found = [
        f"{path} {what}"
        for path, entry in entries.items()
        if entry.mode != _GITLINK and not entry.is_skipped and (what := checkout.difference(path, entry)) is not None
    ]
    links = tuple(f"{path}/" for path, entry in entries.items() if entry.mode == _GITLINK)
    known = {_normal(path) for path in entries}
    extra = (path for path in _files(folder, "") if _normal(path) not in known and not path.startswith(links))
    return found + [f"{path} is not in the commit" for path in extra]


def _parsed(listed: bytes) -> Iterator[tuple[str, _Entry]]:
    for line in listed.split(b"\0"):
        if line:
            facts, _, path = line.partition(b"\t")
            tag, mode, object_id, _stage = facts.decode().split(" ")
            yield os.fsdecode(path), _Entry(mode, object_id, tag in ("S", "s"))


@dataclass(frozen=True, slots=True)
class _Checkout:
    git: Git
    folder: Path
    keeps_modes: bool
    """Whether the file system has an executable bit, according to git."""
    makes_links: bool

    def difference(self, name: str, entry: _Entry) -> str | None:
        """Return a description of how one file differs, or None."""
        path = self.folder / name
        try:
            mode = path.lstat().st_mode
        except OSError:
            return "is missing"
        is_link = stat.S_ISLNK(mode)
        if not is_link and not stat.S_ISREG(mode):
            return "is no regular file"
        if is_link != (entry.mode == _LINK) and (is_link or self.makes_links):
            return "is a symbolic link" if is_link else "is no symbolic link"
        is_executable = bool(mode & stat.S_IXUSR)
        if self.keeps_modes and entry.mode != _LINK and is_executable != (entry.mode == _EXECUTABLE):
            return "is executable" if is_executable else "is not executable"
        is_same = _leads_to(path, entry.object_id) if is_link else self._is_as_committed(path, name, entry)
        return None if is_same else "leads elsewhere" if is_link else "has other content"

    def _is_as_committed(self, path: Path, name: str, entry: _Entry) -> bool:
        if _hash(path, entry.object_id) == entry.object_id:
            return True
        with tempfile.TemporaryFile() as expected, path.open("rb") as found:  # files of any size, not held in memory
            self.git.write_filtered(self.folder, entry.object_id, name, expected)
            expected.seek(0)
            return hashlib.file_digest(expected, "sha256").digest() == hashlib.file_digest(found, "sha256").digest()


def _leads_to(path: Path, object_id: str) -> bool:
    target = os.readlink(os.fsencode(path))  # noqa: PTH115 - a Path would leave out "./"
    return _hasher(object_id, len(target), target).hexdigest() == object_id


def _hash(path: Path, object_id: str) -> str:
    with path.open("rb") as file:
        digest = _hasher(object_id, os.fstat(file.fileno()).st_size)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _hasher(object_id: str, size: int, content: bytes = b"") -> "hashlib._Hash":
    algorithm = "sha256" if len(object_id) == 64 else "sha1"
    return hashlib.new(algorithm, b"blob %d\0%b" % (size, content), usedforsecurity=False)


def _files(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as scanned:
        for one in scanned:
            if one.is_dir(follow_symlinks=False):
                yield from _files(Path(one.path), f"{prefix}{one.name}/")
            elif prefix or one.name != ".git":
                yield f"{prefix}{one.name}"


def _normal(path: str) -> str:
    """Normalise a path. Some file systems change the Unicode normal form of names."""
    return unicodedata.normalize("NFC", path)
