"""Reads files up to a maximum size, writes them atomically, and rejects unknown keys in stored data.

Also names the folder in the user's working tree that git ignores, and refuses links in that tree, which a pull request
may have committed.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

from membudget.core.errors import ConfigurationError, DoctorCheck, EnvironmentFault

T = TypeVar("T")

_CHUNK_BYTES = 1 << 20
OWN_FOLDER = ".membudget"
"""The folder in the working tree for everything that membudget writes there unless the user names another place."""
DEFAULT_REPORT = f"{OWN_FOLDER}/report.json"
STDOUT = "-"
"""The name of standard output, as other programs have it."""
_IGNORE_FILE = ".gitignore"
_IGNORES_ALL = b"# Made by membudget. Git ignores this folder.\n*\n"


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Read a regular file of up to `most_bytes`.

    Of a larger file, return the first `most_bytes` + 1 bytes. Raises OSError, also if the path is not a regular file: a
    device has no end, and a FIFO may block forever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))
        content = bytearray()
        while len(content) <= most_bytes:
            chunk = os.read(descriptor, min(_CHUNK_BYTES, most_bytes + 1 - len(content)))
            if not chunk:
                break
            content += chunk
        return bytes(content)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file atomically and create its parent folders. Raises OSError.

    Readers never see a partial file. If the disk is full, the previous content is kept.
    """
    import tempfile  # The sampling process imports this module but never writes, and has to start fast.

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_or_print(text: str, output: str | None, what: str) -> None:
    """Write a file, or print the text if `output` is None or "-". Raises EnvironmentFault as `write_text` does."""
    if output is None or output == STDOUT:
        sys.stdout.write(text)
    else:
        write_text(text, Path(output), what)


def write_text(text: str | bytes, path: Path, what: str) -> None:
    """Write a file atomically. `what` names the content in the message. Raises EnvironmentFault.

    No link of the working tree is followed. Git ignores what is written into membudget's own folder.
    """
    try:
        refuse_links(path)
        if path.parent.name == OWN_FOLDER:
            _make_own_folder(path.parent)
        write_whole(path, text.encode() if isinstance(text, str) else text, mode=0o644)
    except OSError as error:
        raise _unwritten(what, str(path), error) from None


def _unwritten(what: str, where: str, error: OSError) -> EnvironmentFault:
    check = DoctorCheck.DISK if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else None
    return EnvironmentFault(f"{what} cannot be written: {error.strerror}", where=where, check=check)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write, with permissions for all to read it."""

    path: Path
    name: str
    """The path as people see it."""
    data: bytes
    overwrites: bool = False
    """Whether a file that is there may be replaced. A link is replaced, too, and not what it leads to."""


def write_all(files: Sequence[NewFile]) -> None:
    """Write several files, or leave everything as it was. Raises EnvironmentFault.

    A full disk is noticed before the first file gets its name.
    """
    with ExitStack() as undo:
        staged = [_tried(file, partial(_staged, undo)) for file in files]
        for file, temporary in zip(files, staged, strict=True):
            _tried(file, partial(_place, undo, temporary))
        undo.pop_all()
    for file, temporary in zip(files, staged, strict=True):
        if file.overwrites:
            with suppress(OSError):
                _kept(temporary).unlink(missing_ok=True)


def left_by_killed_runs(path: Path) -> list[Path]:
    """Return files that `write_all` or `write_whole` wrote beside `path` and could not rename, because it was killed.

    With `.old` at the end, they are what `path` had before.
    """
    import re  # as in write_whole

    form = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}(?:\.old)?")
    try:
        return sorted(other for other in path.parent.iterdir() if form.fullmatch(other.name))
    except OSError:
        return []


def _tried(file: NewFile, action: Callable[[NewFile], T]) -> T:
    try:
        return action(file)
    except OSError as error:
        raise _unwritten("it", file.name, error) from None


def _staged(undo: ExitStack, file: NewFile) -> Path:
    """Write the content under a name of its own beside its place."""
    import tempfile  # as in write_whole

    folders = [folder for folder in file.path.parents if not os.path.lexists(folder)]
    for folder in reversed(folders):
        folder.mkdir()
        undo.callback(_attempt, folder.rmdir)
    descriptor, name = tempfile.mkstemp(dir=file.path.parent, prefix=f".{file.path.name}.")
    undo.callback(_attempt, partial(Path(name).unlink, missing_ok=True))
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(file.data)
    Path(name).chmod(0o644)
    return Path(name)


def _place(undo: ExitStack, staged: Path, file: NewFile) -> None:
    """Give the content its name, and keep what had it before."""
    if not file.overwrites:
        os.close(os.open(file.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        undo.callback(_attempt, file.path.unlink)
    elif file.path.is_dir() and not file.path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file.path))
    elif os.path.lexists(file.path):
        kept = _kept(staged)
        undo.callback(_attempt, partial(_give_back, kept, file.path))
        file.path.replace(kept)
    else:
        undo.callback(_attempt, partial(file.path.unlink, missing_ok=True))
    staged.replace(file.path)


def _kept(staged: Path) -> Path:
    """Return where a file that was there is kept meanwhile."""
    return staged.with_name(f"{staged.name}.old")


def _give_back(kept: Path, path: Path) -> None:
    if os.path.lexists(kept):
        kept.replace(path)


def _attempt(action: Callable[[], object]) -> None:
    with suppress(OSError):
        action()


def _make_own_folder(folder: Path) -> None:
    """Make membudget's own folder, which git ignores by a file inside of it. Raises OSError."""
    ignore = folder / _IGNORE_FILE
    if not ignore.exists():
        write_whole(ignore, _IGNORES_ALL, mode=0o644)


def repository_top(folder: Path) -> Path:
    """Return the top of the repository around `folder`: where `.git` is. Without a repository, `folder` itself."""
    real = folder.resolve()
    return next((above for above in (real, *real.parents) if (above / ".git").exists()), real)


def refuse_links(path: Path) -> None:
    """Raise OSError if a folder of the path is a link that lies in the working tree.

    A pull request may have committed it, and it may lead anywhere. Links elsewhere are the user's. Outside of a
    repository, only membudget's own folder must not be a link.
    """
    top = repository_top(Path.cwd())
    is_tree = (top / ".git").exists()
    for folder in reversed((Path.cwd() / path).parents):
        may_be_hostile = is_tree or folder.name == OWN_FOLDER
        if may_be_hostile and folder.is_symlink() and folder.parent.resolve().is_relative_to(top):
            problem = f"{folder} is a link in the working tree; remove it, or name a place outside of the tree"
            raise OSError(errno.ELOOP, problem, str(folder))


def remove_report(path: Path) -> None:
    """Remove the report of an earlier check, so that nobody takes it for the report of a check that fails early.

    A pull request may have committed it, or a link in its place. Raises ConfigurationError if something else is there,
    which the user wants to keep, and EnvironmentFault.
    """
    try:
        refuse_links(path)
        if path.is_file() and not path.is_symlink() and not _may_be_report(path):
            raise ConfigurationError(
                "this file is not a report, and the new report would overwrite it",
                where=str(path),
                fix="name another file for the report, or remove this one",
            )
        if path.is_symlink() or path.is_file():
            path.unlink()
    except OSError as error:
        raise EnvironmentFault(f"the earlier report cannot be removed: {error.strerror}", where=str(path)) from None


def _may_be_report(path: Path) -> bool:
    """Return whether a file begins as JSON does. Nothing that `publish` accepts begins in another way."""
    begin = read_plain(path, _CHUNK_BYTES).lstrip(b" \t\r\n")
    return not begin or begin.startswith(b"{")


class Stored:
    """The base class of stored dataclasses. When pydantic reads one from JSON, unknown keys are errors.

    Source: pydantic's documentation of `__pydantic_config__` for dataclasses of the standard library.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
