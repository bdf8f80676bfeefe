"""Finds the places of a profile in the repository: in which file they are, and whether the diff shows the line."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Protocol

from membudget.budgets.entries import ImageSpec
from membudget.build.revision import Commit
from membudget.check.diff_lines import DiffLines, diff_lines
from membudget.check.own_code import looks_installed, with_own_code
from membudget.core.errors import EnvironmentFault
from membudget.judge.growth import growth_of
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.profiling.heap_profile import (
    LAST_LINE,
    LONGEST_PATH,
    MOST_SOURCES,
    Frame,
    PairProfile,
    ProfiledSide,
    SourceLine,
)

_ENOUGH = 2
"""How many parts at the end of two paths have to be equal: the file's name and its folder's."""
_MOST_LINES = 10
"""The most lines of one place that are looked up: those that hold most."""


class SourceTree(Protocol):
    """The files of commits."""

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return the paths of all files of a commit. Raises EnvironmentFault."""

    def diff(self, base: Commit, head: Commit, path: str) -> str:
        """Return the unified diff of one file. Raises EnvironmentFault."""


def with_sources(
    images: Sequence[ImageMeasurement],
    specs: Mapping[str, ImageSpec],
    commits: tuple[Commit | None, Commit],
    tree: SourceTree,
) -> tuple[ImageMeasurement, ...]:
    """Return the measurements with the places of their profiles in the repository. `commits` are base and head."""
    known = _Known(*commits, tree)
    return tuple(known.placed(image, specs.get(image.name)) for image in images)


def repository_path(file: str, paths: Sequence[str], folder: str) -> str | None:
    """Return which of `paths` is the same file as one in the image: the one with the longest equal end below `folder`.

    One equal part is not enough: many folders have a `main.py`. But a file at the top of `folder` has no other part
    that an image keeps, and a class in Java's default package has none at all. None if there is no such file, or if
    there are several.
    """
    wanted = _parts(file)
    below = "" if folder in ("", ".") else f"{folder}/"
    lengths = {}
    for path in paths:
        length = _equal_end(wanted, _parts(path)) if path.startswith(below) else 0
        is_at_top = "/" not in path.removeprefix(below)
        if length >= _ENOUGH or (length and (is_at_top or length == len(wanted))):
            lengths[path] = length
    longest = max(lengths.values(), default=0)
    best = [path for path, length in lengths.items() if length == longest]
    return best[0] if longest and len(best) == 1 and len(best[0]) <= LONGEST_PATH else None


class _Known:
    """What the repository says, asked only if there is a profile."""

    def __init__(self, base: Commit | None, head: Commit, tree: SourceTree) -> None:
        self._base, self._head, self._tree = base, head, tree
        self._lines: dict[str, DiffLines] = {}
        self._paths: dict[Commit, Sequence[str]] = {}

    def placed(self, image: ImageMeasurement, spec: ImageSpec | None) -> ImageMeasurement:
        if image.profile is None:
            return image
        folder = posixpath.normpath(spec.build.context) if spec is not None and spec.build.bake is None else "."
        try:
            pair = self._with_own_code(image.profile, folder)
            sources = tuple(self._sources(pair, folder))
        except EnvironmentFault:
            return image  # places are known by their paths in the image
        return replace(image, profile=replace(pair, sources=sources[:MOST_SOURCES]))

    def _with_own_code(self, pair: PairProfile, folder: str) -> PairProfile:
        """Return the same profiles, in which all that is in the repository is the service's own code."""

        def marked(side: ProfiledSide | None, commit: Commit) -> ProfiledSide | None:
            if side is None or side.profile is None or not looks_installed(side.profile):
                return side
            return replace(side, profile=with_own_code(side.profile, self._paths_of(commit), folder))

        return replace(pair, base=marked(pair.base, self._base or self._head), head=marked(pair.head, self._head))

    def _sources(self, pair: PairProfile, folder: str) -> Iterator[SourceLine]:
        for frame in _frames_to_name(pair):
            if frame.file is None or frame.line is None or frame.is_library:
                continue
            path = repository_path(frame.file, self._paths_of(self._head), folder)
            if path is not None:
                yield self._source(frame.file, frame.line, path)

    def _source(self, file: str, line: int, path: str) -> SourceLine:
        if self._base is None:
            return SourceLine(file, line, path, is_in_diff=False)
        if path not in self._lines:
            self._lines[path] = diff_lines(self._tree.diff(self._base, self._head, path))
        of = self._lines[path]
        base_line = of.base_line(line)
        if base_line is not None and base_line > LAST_LINE:  # the profile names a line that the file does not have
            base_line = None
        return SourceLine(file, line, path, of.is_shown(line), base_line, of.is_changed(line))

    def _paths_of(self, commit: Commit) -> Sequence[str]:
        if commit not in self._paths:
            self._paths[commit] = self._tree.paths(commit)
        return self._paths[commit]


def _frames_to_name(pair: PairProfile) -> Iterable[Frame]:
    """Return the frames of the places that a report names, whichever budget breaks: one for each line.

    Which of the lines is named depends on the sources. So those of all are needed.
    """
    growths = (growth_of(pair, of_live_heap=only_live) for only_live in (False, True))
    named = (site for growth in growths if growth is not None for site in growth.named)
    frames = (frame for site in named for frame in site.lines[:_MOST_LINES])
    return {(frame.file, frame.line): frame for frame in frames}.values()


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path.removeprefix("file://")).parts[::-1]


def _equal_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many parts at the end of two paths are equal. Both begin with their last part."""
    count = 0
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            break
        count += 1
    return count
