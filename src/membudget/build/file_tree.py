"""The files of a folder, or of an archive of it, in a form that can be compared: names, modes, targets, contents."""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

_FILE = "file"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A regular file or a symbolic link. Times are left out: a checkout sets them anew."""

    kind: str
    mode: int
    """Permission bits; 0 for links."""
    content: str
    """A file's SHA-256, a link's target."""
    size_bytes: int = 0


@dataclass(frozen=True)
class FileTree:
    """Files and links by path. Folders are left out: git keeps none of their own."""

    entries: Mapping[str, FileEntry]

    @property
    def size_bytes(self) -> int:
        """Of its files."""
        return sum(entry.size_bytes for entry in self.entries.values())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that two trees are compared by."""
        digest = hashlib.sha256()
        for path, entry in sorted(self.entries.items()):
            fields = (path, entry.kind, f"{entry.mode:o}", entry.content)
            for part in fields:
                digest.update(os.fsencode(part) + b"\0")  # which no name, target or digest holds
        return digest.hexdigest()

    def differences(self, other: "FileTree") -> list[str]:
        """Paths of entries that only one of them has, or that are not the same in both."""
        paths = sorted({*self.entries, *other.entries})
        return [path for path in paths if self.entries.get(path) != other.entries.get(path)]


def read_folder(folder: Path) -> FileTree:
    """The tree below a folder. Raises OSError."""
    return FileTree(dict(_entries(folder, "")))


def file_entry(path: Path) -> FileEntry:
    """A regular file, links to it followed. Raises OSError."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(_FILE, stat.S_IMODE(status.st_mode), content, status.st_size)


def content_names(top: Path, paths: Iterable[str]) -> tuple[str, ...] | None:
    """What names the content at paths below `top`: the same names, the same content, whatever links lead there.

    None where that cannot be told of one: nothing is there, it lies elsewhere, or a folder holds links.
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
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links that go in a circle
        return None
    is_plain = all(entry.kind == _FILE for entry in tree.entries.values())
    return f"{path}: folder {tree.digest}" if is_plain else None


def read_archive(stream: IO[bytes]) -> FileTree:
    """The tree in a tar archive, which is read once from its begin to its end. Raises tarfile.TarError."""
    entries: dict[str, FileEntry] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").strip("/")
            if member.issym():
                entries[path] = FileEntry("link", 0, member.linkname)
            elif member.islnk():  # to an earlier one
                earlier = entries.get(member.linkname.removeprefix("./").strip("/"))
                entries[path] = earlier or FileEntry("broken hard link", 0, member.linkname)
            elif member.isfile():
                content = archive.extractfile(member)
                assert content is not None  # noqa: S101 - a regular file has some
                digest = hashlib.file_digest(content, "sha256")  # type: ignore[arg-type] # a reader, its stubs forget
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
