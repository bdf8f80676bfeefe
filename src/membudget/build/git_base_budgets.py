"""Reads the base's budgets from git, and finds what was renamed and what changed in the files that they name.

Paths are resolved as git stores them, and never by this machine's file system.
"""

import json
import posixpath
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets, ImageSpec, build_paths, measurement_paths
from membudget.budgets.faults import Fault
from membudget.budgets.guard import MANIFESTS
from membudget.budgets.loosening import Loosening, TableChange, changed_settings, new_names, renamed, with_groups_of
from membudget.build.bake import BakeReader, unresolved_notes, with_resolved_builds
from membudget.build.git import GitRepository
from membudget.build.revision import Commit
from membudget.core.errors import BudgetsFileError

_MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class BaseBudgets:
    """The base's rules, with the head's names."""

    budgets: Budgets
    notes: tuple[str, ...] = ()
    problem: str | None = None
    """Why the base's budgets could not be read. None if they were read, or if there are none."""
    moved: frozenset[str] = frozenset()
    """Images whose build has the same content at another place in the head."""


def base_budgets(
    repository: GitRepository, commits: tuple[Commit, Commit], file: Path, of_head: Budgets, bake: BakeReader
) -> BaseBudgets:
    """Read the base's budgets file, and resolve its bake targets. `commits` are base and head.

    Builds of `of_head` are resolved already. Raises EnvironmentFault if bake files are used and buildx is missing.
    """
    base, head = commits
    names = repository.names(file)
    if not names:
        return BaseBudgets(Budgets(), (f"{file} lies outside of the repository: every image counts as new",))
    notes: tuple[str, ...] = ()
    name, text = next(
        (
            (name, text)
            for name in names
            if (text := repository.file_at(base, name, budgets_file.LARGEST_FILE_BYTES)) is not None
        ),
        ("", None),
    )
    there = next((name for name in names if text is None and _leads_elsewhere(repository, base, name)), None)
    if there is not None:
        return BaseBudgets(
            Budgets(), (), f"the base's {there} cannot be used (it is no file, a link to none, or too large)"
        )
    if text is None:
        moved = _moved_file(repository, base, head)
        if moved is None:
            return BaseBudgets(Budgets(), (f"the base {base.sha[:12]} has no {names[0]}: every image counts as new",))
        name, text = moved
        notes = (f"the base's budgets are those of {name}, which the head does not have any more",)
    try:
        of_base = budgets_file.parse_budgets(text, f"{base.sha[:12]}:{name}")
    except BudgetsFileError as error:
        first = error.problems[0]
        return BaseBudgets(Budgets(), notes, f"the base's {name} cannot be used ({first.where}: {first.what})")
    of_base, faults = committed_builds(repository, base, of_base, bake)
    notes += tuple(unresolved_notes(faults, base.sha[:12]))
    names_now = _renamed_images(repository, commits, of_base, of_head)
    notes += tuple(f"{old} is called {new} now: it keeps its budgets" for old, new in names_now.items())
    of_base = with_groups_of(of_head, renamed(of_base, names_now))
    moved_builds = {
        image
        for image, spec in of_head.images.items()
        if (before := of_base.images.get(image)) is not None
        and spec.build != before.build
        and (content := _moved_content(repository, commits, before)) is not None
        and content == _build_content(repository, head, spec)
    }
    return BaseBudgets(of_base, notes, moved=frozenset(moved_builds))


def committed_builds(
    repository: GitRepository, commit: Commit, budgets: Budgets, bake: BakeReader
) -> tuple[Budgets, list[Fault]]:
    """Return the budgets with the builds that the commit's bake files say, and why some cannot be resolved."""
    return with_resolved_builds(budgets, partial(repository.file_at, commit), bake)


def untouched_images(
    repository: GitRepository, commits: tuple[Commit, Commit], head: Budgets, base: Budgets
) -> Iterator[str]:
    """Yield images whose budgets and whose files are the same in both commits.

    In case of doubt, an image counts as changed.
    """
    summed = {name for group in head.groups.values() if group.total.by_metric() for name in group.images or ()}
    for name, image in head.images.items():
        paths = build_paths(image)
        if name in summed or paths is None or image != base.images.get(name):
            continue
        before, after = (_content(repository, commit, paths, measurement_paths(image)) for commit in commits)
        if before is not None and before == after:
            yield name


def _leads_elsewhere(repository: GitRepository, base: Commit, name: str) -> bool:
    """Return whether the base has something at a path, or has a link or a submodule above it.

    The base then has a budgets file that cannot be read.
    """
    above = repository.content_of(base, list(_ancestors(name)))
    return repository.has_entry(base, name) or any(entry.startswith(("120000 ", "160000 ")) for entry in above)


def _moved_file(repository: GitRepository, base: Commit, head: Commit) -> tuple[str, str] | None:
    """Return name and text of one of the base's budgets files that the head no longer has."""
    kept = set(repository.paths(head))
    gone = [path for path in repository.paths(base) if path.endswith(".toml") and path not in kept]
    for path in sorted(gone, key=lambda path: "budget" not in posixpath.basename(path))[:_MOST_CANDIDATES]:
        text = repository.file_at(base, path, budgets_file.LARGEST_FILE_BYTES)
        if text is None:
            continue
        if "budget" in posixpath.basename(path) or _is_budgets_file(text, path):
            return path, text
    return None


def _is_budgets_file(text: str, name: str) -> bool:
    try:
        return bool(budgets_file.parse_budgets(text, name).images)
    except BudgetsFileError:
        return False


def _renamed_images(
    repository: GitRepository, commits: tuple[Commit, Commit], of_base: Budgets, of_head: Budgets
) -> dict[str, str]:
    """Return the new names of renamed images by their old names.

    A renamed image is built from the same content with the same options.
    """
    _, head = commits
    gone = {
        name: content
        for name, spec in of_base.images.items()
        if name not in of_head.images and (content := _moved_content(repository, commits, spec)) is not None
    }
    new = {
        name: content
        for name, spec in of_head.images.items()
        if name not in of_base.images and (content := _build_content(repository, head, spec)) is not None
    }
    return new_names(gone, new)


def _moved_content(
    repository: GitRepository, commits: tuple[Commit, Commit], of_base: ImageSpec
) -> tuple[Hashable, ...] | None:
    """Return the content that the base builds an image from. None if the head has other content at that place.

    While its old place has other files, a copy of the old ones is not a move, because the other files would ship.
    """
    base, head = commits
    if of_base.build.bake is not None:  # it could not be resolved
        return None
    context = of_base.build.context
    left = repository.object_at(head, context)
    if left is not None and left != repository.object_at(base, context):
        return None
    return _build_content(repository, base, of_base)


def _build_content(repository: GitRepository, commit: Commit, image: ImageSpec) -> tuple[Hashable, ...] | None:
    """Return identifiers of the content that an image is built from, at any place. None if they are unknown."""
    build = image.build
    context = repository.object_at(commit, build.context)
    dockerfile = repository.object_at(commit, posixpath.join(build.context, build.dockerfile))
    if context is None or dockerfile is None:
        return None
    return context, dockerfile, build.target, tuple(sorted(build.args.items())), build.platform, build.network


def _content(
    repository: GitRepository, commit: Commit, built_from: tuple[str, ...], given: tuple[str, ...]
) -> tuple[object, ...] | None:
    """Return identifiers of all content that an image and its measurement use. None in case of doubt."""
    paths = built_from + given
    objects = [repository.object_at(commit, path) for path in paths]
    if None in objects or any(repository.holds_links(commit, path) for path in given):
        return None
    folders = sorted({folder for path in paths for folder in _ancestors(path)})
    on_the_way = repository.content_of(commit, [path for path in [*paths, *folders] if path != "."])
    if any(entry.startswith("120000 ") for entry in on_the_way):
        return None  # git attributes next to the link's target would matter too
    ignored = {f"{path}.dockerignore" for path in built_from}
    attributes = {posixpath.join(folder, ".gitattributes") for folder in folders}
    beside = repository.content_of(commit, sorted({".gitattributes", ".gitmodules", *ignored, *attributes}))
    return (*objects, *beside)


def _ancestors(path: str) -> Iterator[str]:
    """Yield the folders above a path, without the root of the repository."""
    while path := posixpath.dirname(path):
        yield path


def changes_to_approve(
    repository: GitRepository,
    commits: tuple[Commit, Commit],
    budgets: tuple[Budgets, Budgets],
    loosened: Collection[Loosening],
) -> Iterator[TableChange]:
    """Yield the changes to approve, as whole tables. Rounded figures could hide a small loosening.

    `commits` and `budgets` are those of base and head.
    """
    base, head = budgets
    images = {one.subject for one in loosened if not one.is_group}
    for name in sorted({*base.images, *head.images}):
        before, after = base.images.get(name), head.images.get(name)
        files: tuple[str, ...] = ()
        if before is not None and after is not None:
            given = [_given(repository, commit, spec) for commit, spec in zip(commits, (before, after), strict=True)]
            files = given[1] if given[0] != given[1] else ()
            if changed_settings(before, after) or files:
                images.add(name)
        if name in images:
            yield TableChange(name, _table(base.images, name), _table(head.images, name), files)
    for name in sorted({one.subject for one in loosened if one.is_group}):
        yield TableChange(f"groups.{name}", _table(base.groups, name), _table(head.groups, name))
    if MANIFESTS in images:
        yield TableChange(MANIFESTS, _manifests(base), _manifests(head))
    of_base, of_head = (json.dumps([_text(one) for one in side.exceptions]) for side in budgets)
    if images and of_base != of_head:
        yield TableChange("exceptions", of_base, of_head)


def other_files(
    repository: GitRepository, commits: tuple[Commit, Commit], budgets: tuple[Budgets, Budgets]
) -> dict[str, tuple[str, ...]]:
    """Return the paths whose content differs, of those that the measurements of both sides use, for each image."""
    base, head = budgets

    def differs(path: str) -> bool:
        before, after = (repository.object_at(commit, path) for commit in commits)
        return before != after

    return {
        name: changed
        for name, spec in head.images.items()
        if (before := base.images.get(name)) is not None
        and (changed := tuple(path for path in _paths(spec) if path in _paths(before) and differs(path)))
    }


def _given(repository: GitRepository, commit: Commit, spec: ImageSpec) -> tuple[str, ...]:
    """Return identifiers of the files that a measurement uses."""
    return tuple(_named_content(repository, commit, path) for path in _paths(spec))


def _paths(spec: ImageSpec) -> tuple[str, ...]:
    if spec.compose is None:
        return measurement_paths(spec)
    variables = spec.compose.variables_file
    of_compose = (spec.compose.file, *([variables] if variables is not None else ()))
    return tuple(dict.fromkeys((*measurement_paths(spec), *of_compose)))


def _named_content(repository: GitRepository, commit: Commit, path: str) -> str:
    found = repository.object_at(commit, path)
    if found is None:
        return f"{path}: nothing"
    if found.kind == "tree" and repository.holds_links(commit, path):
        # the targets of links in a folder are not compared, so the folder counts as changed
        return f"{path}: {commit.sha}"
    return f"{path}: {found.id}"


def _manifests(budgets: Budgets) -> str:
    return json.dumps([*map(_text, budgets.manifests), _text(budgets.manifest_rules)])


def _table(tables: Mapping[str, BaseModel], name: str) -> str | None:
    found = tables.get(name)
    return _text(found) if found is not None else None


def _text(model: BaseModel) -> str:
    return json.dumps(model.model_dump(mode="json"), sort_keys=True)
