"""Prepares a check: finds the two revisions to compare, and reads the budgets file of each."""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.faults import placed
from membudget.budgets.guard import AllowedSecrets, Contents, Rules, loosenings, rules
from membudget.budgets.key_path import similar
from membudget.budgets.loosening import DEFAULT_LABEL, Approval, LabelState, TableChange, approval_of, digest_of
from membudget.build.bake import BakeReader
from membudget.build.docker_bake import BuildxBake
from membudget.build.git import GitRepository
from membudget.build.git_base import find_base, is_proposed, replaced_note, unproven_note
from membudget.build.git_base_budgets import (
    BaseBudgets,
    base_budgets,
    changes_to_approve,
    committed_builds,
    other_files,
    untouched_images,
)
from membudget.build.git_workspace import workspace
from membudget.build.revision import BaseRequest, Commit, NoBase
from membudget.check.check import BudgetsText, CheckRequest
from membudget.check.manifest_texts import CommitManifests
from membudget.check.pods import ResolvedPods, has_pods, with_pods
from membudget.cli.history_store import HistorySource
from membudget.core.errors import BudgetsFileError, ConfigurationError, shortened
from membudget.core.sharding import Shard
from membudget.engine.rendering import Renderers
from membudget.engine.run_id import own_run_id
from membudget.publish.server import Event
from membudget.report.notes import pod_notes, uncommitted_notes

_LONGEST_LIST = 200
"""The longest list of image names in a message, in characters."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The request of the user or the workflow."""

    budgets: Path
    base: BaseRequest
    only: tuple[str, ...] = ()
    """The names of the images to check. Empty means all."""
    shard: Shard | None = None
    """The part of the images to check. None means all."""
    label: str = DEFAULT_LABEL
    """The label that lets a pull request loosen its budgets."""
    remembers: bool = True
    """Whether results of identical images are reused, and unchanged images are not built."""
    looks_up_bases: bool = False
    """Whether to ask registries for smaller variants of base images."""
    profiles: bool = False
    """Whether every image that is run is profiled."""
    secrets: AllowedSecrets = AllowedSecrets()
    is_quiet: bool = False
    """Whether to show no progress."""
    is_local: bool = False
    """Whether no server's job runs the check. It is then judged as the pull request that the head would be."""
    is_approved: bool = False
    """Whether a local check is judged as if the label were set."""
    history: HistorySource = HistorySource()
    """Where creep budgets find earlier figures."""


def head_budgets(repository: GitRepository, head: Commit, file: Path, bake: BakeReader) -> Budgets:
    """Return the budgets of the head, with its bake targets and its pods resolved.

    The budgets file is read from disk, where CI has checked it out or the user edits it. Bake files and manifests are
    the commit's. Raises ConfigurationError and EnvironmentFault.
    """
    return _head(repository, head, file, bake, CommitManifests()).budgets


def _head(
    repository: GitRepository, head: Commit, file: Path, bake: BakeReader, manifests: CommitManifests
) -> ResolvedPods:
    text, name = budgets_file.read(file), str(file)
    budgets, faults = committed_builds(repository, head, budgets_file.parse_budgets(text, name, repository.top), bake)
    resolved = _committed_pods(repository, head, budgets, manifests)
    if faults or resolved.faults:
        raise BudgetsFileError(placed([*faults, *resolved.faults], text, name))
    return resolved


def _committed_pods(
    repository: GitRepository, commit: Commit, budgets: Budgets, manifests: CommitManifests
) -> ResolvedPods:
    """Return the budgets with the pods that the commit's manifests describe. It is checked out only if there are any.

    Raises EnvironmentFault.
    """
    if not has_pods(budgets):
        return ResolvedPods(budgets)
    with workspace(repository, own_run_id()) as checkouts, checkouts.checkout(commit) as folder:
        return with_pods(budgets, manifests.of(commit.sha, folder, Renderers()))


def _base(  # noqa: PLR0913, PLR0917 - what both budgets files are read with
    repository: GitRepository,
    commits: tuple[Commit, Commit],
    file: Path,
    of_head: Budgets,
    bake: BakeReader,
    manifests: CommitManifests,
) -> BaseBudgets:
    """Return the base's budgets, with its pods resolved. `commits` are base and head.

    Without one of its pods, the base's rules are unknown.
    """
    known = base_budgets(repository, commits, file, of_head, bake)
    resolved = _committed_pods(repository, commits[0], known.budgets, manifests)
    if not resolved.faults:
        return replace(known, budgets=resolved.budgets)
    first = resolved.faults[0]
    problem = f"the base's {'.'.join(map(str, first.keys))} cannot be used ({first.what})"
    return replace(known, budgets=Budgets(), problem=problem, moved=frozenset())


def check_request(repository: GitRepository, wanted: Wanted, label: LabelState | None) -> CheckRequest:
    """Return the two revisions and what their budgets files say. Raises ConfigurationError.

    `label` is None if there is no pull request.
    """
    head = repository.head(without_one="commit what is to be built")
    budgets = wanted.budgets
    bake, manifests = BuildxBake(), CommitManifests()
    read = _head(repository, head, budgets, bake, manifests)
    of_head = read.budgets
    wanted.secrets.check(of_head, budgets)
    base = find_base(repository, head, wanted.base)
    known = BaseBudgets(Budgets())
    if isinstance(base, Commit):
        known = _base(repository, (base, head), budgets, of_head, bake, manifests)
    approval_digest = _digest_to_approve(repository, (base, head), *_without_allowed(wanted.secrets, known, of_head))
    if label is None and wanted.is_local and isinstance(base, Commit):
        label = _label_to_be(repository, head, wanted, of_head, bake, manifests)
    approval = approval_of(label, approval_digest)
    other = other_files(repository, (base, head), (known.budgets, of_head)) if isinstance(base, Commit) else {}
    judged_by = _rules(wanted.secrets, known, of_head, approval, other)
    judged_by, base_images = _selected(wanted, judged_by, of_head, known.budgets)
    untouched: frozenset[str] = frozenset()
    if isinstance(base, Commit) and wanted.remembers:
        untouched = frozenset(untouched_images(repository, (base, head), of_head, known.budgets))
    return CheckRequest(
        head,
        base,
        judged_by,
        base_images,
        (*_notes(repository, head, wanted, of_head), *_pod_notes(read)),
        approval,
        wanted.label,
        untouched,
        hashlib.sha256(f"{of_head.canonical()}\n{known.budgets.canonical()}".encode()).hexdigest(),
        wanted.shard,
        known.problem,
        approval_digest,
        tuple({**of_head.images, **known.budgets.images}),
        tuple(_base_notes(known)),
        wanted.is_local,
        wanted.profiles,
        BudgetsText(_name_of(repository, budgets), budgets_file.read(budgets)),
        manifests=manifests,
    )


def _name_of(repository: GitRepository, budgets: Path) -> str:
    """Return the path of the budgets file from the top of the repository, or as it was given if it is outside."""
    return [str(budgets), *repository.names(budgets)][-1]


def base_request(asked: BaseRequest, event: Event) -> BaseRequest:
    """Return how the base is requested: by the user, or else by the event."""
    if asked.none or asked.revision is not None:
        return asked
    may_be_replaced = not event.is_before_merge
    return BaseRequest(event_base=event.base_sha, event_head=event.head_sha, may_be_replaced=may_be_replaced)


def _notes(repository: GitRepository, head: Commit, wanted: Wanted, of_head: Budgets) -> Iterator[str]:
    """Yield what a reader should know about the comparison, before anything is measured."""
    yield from _uncommitted(repository, head, wanted.budgets, of_head)
    found = replaced_note(repository, wanted.base), unproven_note(repository, head, wanted.base)
    yield from (note for note in found if note is not None)


def _pod_notes(read: ResolvedPods) -> Iterator[str]:
    for name, facts in read.facts.items():
        yield from pod_notes(name, read.budgets.images[name], facts.lacks, facts.limit_of_manifest)


def _base_notes(known: BaseBudgets) -> Iterator[str]:
    """Yield what the report should say about the base's budgets file."""
    yield from known.notes
    if known.problem is not None:
        yield f"{known.problem}: every image counts as new"


def _label_to_be(  # noqa: PLR0913, PLR0917 - what both budgets files are read with
    repository: GitRepository,
    head: Commit,
    wanted: Wanted,
    of_head: Budgets,
    bake: BakeReader,
    manifests: CommitManifests,
) -> LabelState | None:
    """Return the state of the label on the pull request that the head would be. None if it would be none.

    What is on the default branch has been approved, except for edits of the budgets file that are not committed yet.
    """
    if wanted.is_approved:
        return LabelState(is_set=True, is_fresh=True)
    committed = _base(repository, (head, head), wanted.budgets, of_head, bake, manifests)
    is_loosened = next(loosenings(of_head, committed.budgets, committed.moved), None) is not None
    is_guarded = is_loosened or is_proposed(repository, head, wanted.base.revision)
    return LabelState(is_set=False) if is_guarded else None


def _without_allowed(secrets: AllowedSecrets, known: BaseBudgets, of_head: Budgets) -> tuple[BaseBudgets, Budgets]:
    """Return both sides without the secrets that need no approval, so that they can be compared."""
    return replace(known, budgets=secrets.taken_out(known.budgets)), secrets.taken_out(of_head)


def _rules(
    secrets: AllowedSecrets,
    known: BaseBudgets,
    of_head: Budgets,
    approval: Approval,
    other: Mapping[str, tuple[str, ...]],
) -> Rules:
    """Return the rules of the check.

    `other` has, by image, the files that the measurement is given and whose content differs between base and head.
    """
    compared_base, compared_head = _without_allowed(secrets, known, of_head)
    judged_by = rules(compared_head, compared_base.budgets, approval, Contents(known.moved, other))
    return secrets.given_back(judged_by, of_head)


def _selected(
    wanted: Wanted, judged_by: Rules, of_head: Budgets, of_base: Budgets
) -> tuple[Rules, Mapping[str, ImageSpec]]:
    """Return the rules and the base's images, reduced to the requested images or shard.

    Images that the head removed belong to the first shard. Raises ConfigurationError for an unknown image.
    """
    only = wanted.only
    if wanted.shard is not None and not only:
        only = wanted.shard.share(tuple(of_head.images))
    if not only and wanted.shard is None:
        return judged_by, of_base.images
    unknown = sorted(set(only) - set(of_head.images))
    if unknown:
        there = shortened(", ".join(of_head.images), _LONGEST_LIST)
        meant = [guess for name in unknown if (guess := similar(name, of_head.images)) is not None]
        guesses = f"; did you mean {', '.join(meant)}?" if meant else ""
        raise ConfigurationError(
            f"{wanted.budgets} defines no such image{guesses} (there: {there})", where=f"--image {', '.join(unknown)}"
        )
    takes_removed = wanted.shard is not None and wanted.shard.number == 1
    base_images = {
        name: image
        for name, image in of_base.images.items()
        if name in only or (takes_removed and name not in of_head.images)
    }
    return replace(judged_by, images={name: judged_by.images[name] for name in only}), base_images


def _digest_to_approve(
    repository: GitRepository, commits: tuple[Commit | NoBase, Commit], known: BaseBudgets, of_head: Budgets
) -> str | None:
    base, head = commits
    if not isinstance(base, Commit):
        return None
    if known.problem is not None:
        return digest_of([TableChange("budgets", None, of_head.canonical())])
    loosened = tuple(loosenings(of_head, known.budgets, known.moved))
    return digest_of(changes_to_approve(repository, (base, head), (known.budgets, of_head), loosened))


def _uncommitted(repository: GitRepository, head: Commit, budgets: Path, of_head: Budgets) -> Iterator[str]:
    """Yield notes about files that differ from HEAD. A budgets file that git does not know differs as well."""
    changed = repository.uncommitted()
    name = _name_of(repository, budgets)
    if name not in changed and not repository.has_entry(head, name):
        changed = [name, *changed]
    recipes = [
        posixpath.normpath(posixpath.join(image.build.context, image.build.dockerfile))
        for image in of_head.images.values()
    ]
    yield from uncommitted_notes(changed, name, recipes)
