"""What a check compares: two revisions of the repository, and what their budgets files say."""

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from membudget.budgets import toml_file
from membudget.budgets.budget import Budgets, ImageSpec
from membudget.budgets.guard import DEFAULT_LABEL, Approval, rules
from membudget.budgets.inputs import build_paths, measurement_paths
from membudget.check import CheckRequest
from membudget.errors import BudgetsFileError, ConfigurationError
from membudget.images.git_base import find_base
from membudget.images.git_repository import GitRepository
from membudget.images.revision import BaseRequest, Commit
from membudget.sharding import Shard, assign


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a check was asked for."""

    budgets: Path
    base: BaseRequest
    only: tuple[str, ...] = ()
    """Images; empty: all."""
    shard: Shard | None = None
    """Which part of the images; None: all."""
    label: str = DEFAULT_LABEL
    """What lets a pull request loosen its budgets."""
    remembers: bool = True
    """Whether earlier results may stand for new ones, and unchanged images need not be built."""
    looks_up_bases: bool = False
    """Whether registries are asked for smaller variants of base images."""


def check_request(repository: GitRepository, wanted: Wanted, approval: Approval) -> CheckRequest:
    """The two revisions and their budgets files; head's is the one on disk: CI checked it out, or the user wrote it."""
    head = repository.commit("HEAD")
    if head is None:
        raise ConfigurationError("this repository has no commit yet", fix="commit what is to be built")
    budgets, only = wanted.budgets, wanted.only
    of_head = toml_file.parse_budgets(toml_file.read(budgets), str(budgets), repository.top)
    base = find_base(repository, head, wanted.base)
    notes = _uncommitted(repository)
    of_base = Budgets()
    if isinstance(base, Commit):
        of_base, more_notes = _base_budgets(repository, base, budgets)
        notes += more_notes
    gone = {name for name, image in of_base.images.items() if not _can_be_built(repository, head, image)}
    judged_by = rules(of_head, of_base, approval, gone)
    base_images = of_base.images
    if wanted.shard is not None and not only:
        parts = assign(tuple(of_head.images), {}, wanted.shard.of)
        only = tuple(parts[wanted.shard.number - 1]) if wanted.shard.number <= len(parts) else ()
    if only or wanted.shard is not None:
        unknown = sorted(set(only) - set(of_head.images))
        if unknown:
            there = ", ".join(of_head.images)
            raise ConfigurationError(f"--image {', '.join(unknown)}: no such image in {budgets} (there: {there})")
        judged_by = replace(judged_by, images={name: judged_by.images[name] for name in only})
        takes_removed = wanted.shard is not None and wanted.shard.number == 1
        base_images = {
            name: image
            for name, image in base_images.items()
            if name in only or (takes_removed and name not in of_head.images)
        }
    digest = hashlib.sha256(f"{of_head.canonical()}\n{of_base.canonical()}".encode()).hexdigest()
    untouched: frozenset[str] = frozenset()
    if isinstance(base, Commit) and wanted.remembers:
        untouched = frozenset(_untouched(repository, (base, head), of_head, of_base))
    known = tuple({**of_head.images, **of_base.images})
    return CheckRequest(
        head, base, judged_by, base_images, tuple(notes), approval, wanted.label, untouched, digest, wanted.shard, known
    )


def _untouched(
    repository: GitRepository, commits: tuple[Commit, Commit], head: Budgets, base: Budgets
) -> Iterator[str]:
    """Images of which nothing differs: neither what the file says of them, nor the content of what they come from."""
    summed = {name for group in head.groups.values() if group.total.by_metric() for name in group.images or ()}
    for name, image in head.images.items():
        paths = build_paths(image)
        if name in summed or paths is None or image != base.images.get(name):
            continue
        before, after = (repository.content_of(commit, paths + measurement_paths(image)) for commit in commits)
        if before == after:
            yield name


def _can_be_built(repository: GitRepository, commit: Commit, image: ImageSpec) -> bool:
    dockerfile = posixpath.normpath(f"{image.build.context}/{image.build.dockerfile}")
    return repository.file_at(commit, dockerfile) is not None


def _base_budgets(repository: GitRepository, base: Commit, budgets: Path) -> tuple[Budgets, list[str]]:
    """What the base's own budgets file says, and what is to be said of that file."""
    path = budgets.resolve()
    if not path.is_relative_to(repository.top.resolve()):
        return Budgets(), [f"{budgets} lies outside of the repository: every image counts as new"]
    name = path.relative_to(repository.top.resolve()).as_posix()
    text = repository.file_at(base, name)
    if text is None:
        return Budgets(), [f"the base {base.sha[:12]} has no {name}: every image counts as new"]
    try:
        return toml_file.parse_budgets(text, f"{base.sha[:12]}:{name}"), []
    except BudgetsFileError as error:
        problem = error.problems[0]
        return Budgets(), [
            f"the base's {name} cannot be used ({problem.where}: {problem.what}): every image counts as new"
        ]


def _uncommitted(repository: GitRepository) -> list[str]:
    changed = repository.uncommitted()
    if not changed:
        return []
    files = "1 file has" if len(changed) == 1 else f"{len(changed)} files have"
    return [f"{files} uncommitted changes, which are not built: the head is HEAD"]
