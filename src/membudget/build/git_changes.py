"""What a pull request changes of the rules, as git has it: tables of the budgets file, and the files they name."""

import json
from collections.abc import Collection, Iterator, Mapping

from pydantic import BaseModel

from membudget.budgets.approval import Change
from membudget.budgets.entries import Budgets, ImageSpec, measurement_paths
from membudget.budgets.loosening import Loosening
from membudget.budgets.measured_settings import changed_settings
from membudget.build.git import GitRepository
from membudget.build.revision import Commit


def changes_to_approve(
    repository: GitRepository,
    commits: tuple[Commit, Commit],
    budgets: tuple[Budgets, Budgets],
    loosened: Collection[Loosening],
) -> Iterator[Change]:
    """Whole tables, as both files have them: a figure that is rounded for people would hide a small loosening.

    `commits` and `budgets`: base's and head's.
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
            yield Change(name, _table(base.images, name), _table(head.images, name), files)
    for name in sorted({one.subject for one in loosened if one.is_group}):
        yield Change(f"groups.{name}", _table(base.groups, name), _table(head.groups, name))
    of_base, of_head = (json.dumps([_text(one) for one in side.exceptions]) for side in budgets)
    if images and of_base != of_head:
        yield Change("exceptions", of_base, of_head)


def other_files(
    repository: GitRepository, commits: tuple[Commit, Commit], budgets: tuple[Budgets, Budgets]
) -> dict[str, tuple[str, ...]]:
    """Paths whose content differs, of those that the measurement of an image is given on both sides, by image."""
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
    """What names the content of the files that a measurement is given."""
    return tuple(_content(repository, commit, path) for path in _paths(spec))


def _paths(spec: ImageSpec) -> tuple[str, ...]:
    of_compose = (spec.compose.file, ".env") if spec.compose is not None else ()
    return (*measurement_paths(spec), *of_compose)


def _content(repository: GitRepository, commit: Commit, path: str) -> str:
    found = repository.object_at(commit, path)
    if found is None:
        return f"{path}: nothing"
    if found.kind == "tree" and repository.holds_links(commit, path):
        return f"{path}: {commit.sha}"  # what links in a folder lead to is not looked at: it counts as changed
    return f"{path}: {found.id}"


def _table(tables: Mapping[str, BaseModel], name: str) -> str | None:
    found = tables.get(name)
    return _text(found) if found is not None else None


def _text(model: BaseModel) -> str:
    return json.dumps(model.model_dump(mode="json"), sort_keys=True)
