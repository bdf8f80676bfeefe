"""Finds files and folders that the budgets file names and the repository does not have."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from membudget.budgets.entries import ImageSpec
from membudget.budgets.faults import Fault
from membudget.budgets.key_path import Guesses
from membudget.budgets.lines import Keys
from membudget.budgets.manifests import ManifestEntry
from membudget.budgets.salvage import Salvaged

_MOST_LISTED = 5
_MOST_ENTRIES = 1000
"""How much of a folder is looked at for what was meant."""


def missing_files(image: ImageSpec, name: str, checkout: Path, salvaged: Salvaged, guesses: Guesses) -> list[Fault]:
    """Return the faults of paths that the image `name` names. What is lost of a broken file is not looked for."""
    table: Keys = ("images", name)
    faults = [] if salvaged.doubts("images", name, "build") else list(_of_build(image, table, checkout, guesses))
    for keys, path, is_wanted, what in _named(image, table):
        if existing(checkout, path, is_wanted) is None:
            guess = _guess(checkout, path, is_wanted, guesses)
            faults.append(Fault(keys, f"names no {what} in the repository", path, _FROM_THE_TOP, guess))
    return faults


def missing_manifests(entries: Sequence[ManifestEntry], checkout: Path, guesses: Guesses) -> Iterator[Fault]:
    """Yield the faults of paths that the entries of `manifests` name."""
    for number, entry in enumerate(entries):
        for path, is_wanted in ((entry.path, Path.exists), *((values, Path.is_file) for values in entry.values)):
            if existing(checkout, path, is_wanted) is None:
                guess = _guess(checkout, path, is_wanted, guesses)
                yield Fault(("manifests", number), "names no file in the repository", path, _FROM_THE_TOP, guess)


_FROM_THE_TOP = "a path from the top of the repository"


def _of_build(image: ImageSpec, table: Keys, checkout: Path, guesses: Guesses) -> Iterator[Fault]:
    build = image.build
    if build.bake is not None:
        if existing(checkout, build.bake, Path.is_file) is None:
            guess = _guess(checkout, build.bake, Path.is_file, guesses)
            yield Fault((*table, "build", "bake"), "names no file in the repository", build.bake, _FROM_THE_TOP, guess)
        return
    context = existing(checkout, build.context, Path.is_dir)
    if context is None:
        allowed = "a folder, relative to the root of the repository"
        guess = _guess(checkout, build.context, Path.is_dir, guesses)
        yield Fault((*table, "build", "context"), "names no folder in the repository", build.context, allowed, guess)
    elif existing(checkout, f"{build.context}/{build.dockerfile}", Path.is_file) is None:
        allowed = "a file, relative to the build context" + _dockerfiles_in(context)
        keys = (*table, "build", "dockerfile")
        yield Fault(keys, "names no file in the repository", build.dockerfile, allowed)


def _named(image: ImageSpec, table: Keys) -> Iterator[tuple[Keys, str, Callable[[Path], bool], str]]:
    """Yield each path beside those of the build: its keys, the path, and what has to be there."""
    container = image.container
    for number, path in enumerate(container.env_files):
        yield (*table, "container", "env_files", number), path, Path.is_file, "file"
    for target, path in container.volumes.items():
        yield (*table, "container", "volumes", target), path, Path.is_dir, "folder"
    if image.compose is not None:
        yield (*table, "compose", "file"), image.compose.file, Path.is_file, "file"
        for missing, instead in image.compose.stand_ins.items():
            if instead is not False:
                yield (*table, "compose", "stand_ins", missing), instead, Path.exists, "file"
    if image.kubernetes is not None:
        yield (*table, "kubernetes", "manifest"), image.kubernetes.manifest, Path.exists, "file or folder"
        for number, path in enumerate(image.kubernetes.values):
            yield (*table, "kubernetes", "values", number), path, Path.is_file, "file"
    workload = image.workload.model_dump(exclude_unset=True)
    for path in dict.fromkeys(image.workload.named_files):
        inside = next(_paths_to(path, workload), ())
        yield (*table, "workload", *inside), path, Path.exists, "file"


def _paths_to(text: str, value: object, above: Keys = ()) -> Iterator[Keys]:
    """Yield the keys whose value is `text`. Words of commands are in lists and do not count."""
    if isinstance(value, dict):
        for key, below in value.items():
            if below == text:
                yield (*above, str(key))
            yield from _paths_to(text, below, (*above, str(key)))
    elif isinstance(value, list | tuple):
        for number, below in enumerate(value):
            yield from _paths_to(text, below, (*above, number))


def existing(checkout: Path, name: str, is_wanted: Callable[[Path], bool]) -> Path | None:
    """Return the path of `name` below the checkout, or None if it is elsewhere or not what is wanted."""
    try:
        path = Path(os.path.realpath(checkout / name))
        return path if path.is_relative_to(_top(checkout.absolute())) and is_wanted(path) else None
    except (OSError, ValueError, RuntimeError):  # the name is too long or contains NUL, or links form a circle
        return None


@lru_cache(maxsize=16)
def _top(checkout: Path) -> Path:
    """Return an absolute path without links. A relative one would be wrong after a change of the current folder."""
    return checkout.resolve()


def _guess(checkout: Path, name: str, is_wanted: Callable[[Path], bool], guesses: Guesses) -> str | None:
    """Return a path of the same folder that was probably meant. Of a large folder, a part is looked at."""
    if not guesses.are_left:
        return None
    above, slash, last = name.rpartition("/")
    folder = existing(checkout, above or ".", Path.is_dir)
    if folder is None:
        return None
    try:
        found = guesses.similar(
            last, lambda: sorted(path.name for path in islice(folder.iterdir(), _MOST_ENTRIES) if is_wanted(path))
        )
    except OSError:
        return None
    return f"{above}{slash}{found}" if found is not None else None


def _dockerfiles_in(context: Path) -> str:
    entries = islice(context.iterdir(), _MOST_ENTRIES)
    found = sorted(path.name for path in entries if "ockerfile" in path.name and path.is_file())[:_MOST_LISTED]
    return f" (the context contains: {', '.join(found)})" if found else ""
