"""What a check compares: two revisions of the repository, and what their budgets files say."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from membudget.budgets import file as budgets_file
from membudget.budgets.approval import DEFAULT_LABEL, Change, LabelState, approval_of, digest_of
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import AllowedSecrets, Contents, loosenings, rules
from membudget.build.git import GitRepository
from membudget.build.git_base import find_base, replaced_note, unproven_note
from membudget.build.git_base_budgets import (
    BaseBudgets,
    base_budgets,
    changes_to_approve,
    other_files,
    untouched_images,
)
from membudget.build.revision import BaseRequest, Commit, NoBase
from membudget.check.check import CheckRequest
from membudget.core.errors import ConfigurationError
from membudget.core.sharding import Shard, assign


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
    secrets: AllowedSecrets = AllowedSecrets()


def check_request(repository: GitRepository, wanted: Wanted, label: LabelState | None) -> CheckRequest:
    """The two revisions and their budgets files; head's is the one on disk: CI checked it out, or the user wrote it.

    `label` is None where there is no pull request.
    """
    head = repository.commit("HEAD")
    if head is None:
        raise ConfigurationError("this repository has no commit yet", fix="commit what is to be built")
    budgets, only = wanted.budgets, wanted.only
    of_head = budgets_file.parse_budgets(budgets_file.read(budgets), str(budgets), repository.top)
    wanted.secrets.check(of_head, budgets)
    base = find_base(repository, head, wanted.base)
    notes = _uncommitted(repository)
    replaced = replaced_note(repository, wanted.base)
    unproven = unproven_note(repository, head, wanted.base)
    notes += [note for note in (replaced, unproven) if note is not None]
    known = BaseBudgets(Budgets())
    if isinstance(base, Commit):
        known = base_budgets(repository, (base, head), budgets, of_head)
        notes += known.notes
        notes += [f"{known.problem}: every image counts as new"] if known.problem is not None else []
    of_base = known.budgets
    guarded = replace(known, budgets=wanted.secrets.taken_out(of_base)), wanted.secrets.taken_out(of_head)
    approval_digest = _digest_to_approve(repository, (base, head), *guarded)
    approval = approval_of(label, approval_digest)
    files = other_files(repository, (base, head), (of_base, of_head)) if isinstance(base, Commit) else {}
    judged_by = rules(guarded[1], guarded[0].budgets, approval, Contents(known.moved, files))
    judged_by = wanted.secrets.given_back(judged_by, of_head)
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
        untouched = frozenset(untouched_images(repository, (base, head), of_head, of_base))
    return CheckRequest(
        head,
        base,
        judged_by,
        base_images,
        tuple(notes),
        approval,
        wanted.label,
        untouched,
        digest,
        wanted.shard,
        known.problem,
        approval_digest,
        tuple({**of_head.images, **of_base.images}),
    )


def _digest_to_approve(
    repository: GitRepository, commits: tuple[Commit | NoBase, Commit], known: BaseBudgets, of_head: Budgets
) -> str | None:
    base, head = commits
    if not isinstance(base, Commit):
        return None
    if known.problem is not None:
        return digest_of([Change("budgets", None, of_head.canonical())])
    loosened = tuple(loosenings(of_head, known.budgets, known.moved))
    return digest_of(changes_to_approve(repository, (base, head), (known.budgets, of_head), loosened))


def _uncommitted(repository: GitRepository) -> list[str]:
    changed = repository.uncommitted()
    if not changed:
        return []
    files = "1 file has" if len(changed) == 1 else f"{len(changed)} files have"
    return [f"{files} uncommitted changes, which are not built: the head is HEAD"]
