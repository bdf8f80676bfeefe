"""Which code of a profile is the service's own although it looks installed: what the repository holds.

Profilers take packages for libraries: all of `site-packages`, for example. A service that was installed by
`pip install .` is there as well.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from membudget.measure.profiling.heap_profile import Frame, HeapProfile

_INSTALLED = re.compile(r".*/(?:site-packages|dist-packages|node_modules|gems)/(.+)")
"""The path of a file below the folder of all packages. A scope of npm stays: `@nestjs/common` is not any `common`."""
_VERSION = re.compile(r"-\d[^/]*(?=/)")
"""The version of a gem, in the name of its folder."""
_FOREIGN = frozenset({"vendor", "vendored", "_vendor", "node_modules", "site-packages", "dist-packages", "third_party"})
"""Folders for the code of others, also in a repository."""
_STUBS = frozenset({"typings", "stubs"})
"""Folders whose subfolders have the names of others' packages. A package may have such a folder of its own."""
_AT_TOP: tuple[list[str], ...] = ([], ["src"])
"""Where a package is in its repository, if it is a single file."""


def with_own_code(profile: HeapProfile, paths: Sequence[str], folder: str) -> HeapProfile:
    """Return the profile without a library's mark on code that is in the repository, below `folder`.

    `paths` are all files of the repository.
    """
    packaged = {frame.file: _packaged(frame) for frame in profile.frames}
    below = "" if folder in ("", ".") else f"{folder}/"
    own = _own({path for path in packaged.values() if path is not None}, paths, below)
    frames = (replace(one, is_library=False) if packaged[one.file] in own else one for one in profile.frames)
    return replace(profile, frames=tuple(frames))


def looks_installed(profile: HeapProfile) -> bool:
    """Whether a profile has libraries that may be the service's own code."""
    return any(_packaged(frame) is not None for frame in profile.frames)


def _packaged(frame: Frame) -> str | None:
    """Return the path of a library's file from its package on. None if it is no package's, but the runtime's own."""
    if frame.file is None or not frame.is_library:
        return None
    installed = _INSTALLED.fullmatch(frame.file)
    if installed is not None:
        return _VERSION.sub("", installed[1], count=1)
    return frame.file if frame.file.endswith(".java") and not frame.file.startswith("/") else None


def _own(packaged: set[str], paths: Sequence[str], below: str) -> set[str]:
    """Return those files that the repository has with their whole path."""
    own: set[str] = set()
    for path in paths:
        if path.startswith(below):
            own.update(end for end in _ends(path.removeprefix(below)) if end in packaged)
    return own


def _ends(path: str) -> Iterator[str]:
    """Yield the paths of a file from one of its folders on, and its name alone if it may be a whole package."""
    *folders, name = path.split("/")
    if _FOREIGN.intersection(folders):
        return
    for at in range(len(folders)):
        if _STUBS.intersection(folders[:at]):
            return
        yield "/".join((*folders[at:], name))
    if folders in _AT_TOP:
        yield name
