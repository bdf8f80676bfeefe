"""Chooses the base commit: the merge base, instead of the base branch's tip at the time of the event."""

from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest, Commit, NoBase
from membudget.core.errors import ConfigurationError, DoctorCheck

_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def find_base(repository: GitRepository, head: Commit, request: BaseRequest) -> Commit | NoBase:
    """Return the commit to compare `head` with.

    Raises ConfigurationError if a revision does not exist, or if the clone lacks the base. A base other than the
    event's would be a guess, because the clone of a fork has the fork's default branch.
    """
    if request.none:
        return NoBase("--no-base was given")
    if request.revision is not None:
        return _merge_base(repository, head, request.revision, "--base")
    parents = repository.parents(head)
    if request.event_head is not None and parents[1:] == [request.event_head]:
        merged_into = _present(repository, parents[0], depth=2)  # GitHub's merge of the pull request into its base
        if _is_on_base_branch(repository, merged_into, request) is False:
            raise _elsewhere(merged_into, request.event_base or "")
        return merged_into
    if request.event_base is not None:
        if repository.is_shallow() or repository.commit(request.event_base) is not None:
            return _merge_base(repository, head, request.event_base, "the event's base")
        if not request.may_be_replaced:
            raise _not_here(request.event_base)
    return _local_base(repository, head, parents)


def unproven_note(repository: GitRepository, head: Commit, request: BaseRequest) -> str | None:
    """Return a note if the clone is too shallow to prove that the base is on the base branch, otherwise None."""
    if request.none or request.revision is not None or request.event_head is None or request.event_base is None:
        return None
    parents = repository.parents(head)
    merged_into = repository.commit(parents[0]) if parents[1:] == [request.event_head] else None
    if merged_into is None or _is_on_base_branch(repository, merged_into, request) is not None:
        return None
    return (
        f"this clone is too shallow to show that the base {merged_into.sha[:12]}, the merge's first parent, is on"
        " the base branch: `fetch-depth: 0` shows it"
    )


def _is_on_base_branch(repository: GitRepository, merged_into: Commit, request: BaseRequest) -> bool | None:
    """Return whether a merge's first parent is on the branch of the event's base, before or after that base.

    Return None if the clone does not have enough history to tell.
    """
    if request.event_base is None or merged_into.sha == request.event_base:
        return True
    tip = repository.commit(request.event_base)
    fork = repository.merge_base(tip, merged_into) if tip is not None else None
    if fork is not None and fork in (tip, merged_into):
        return True  # the branch may move on while the event waits
    return None if tip is None or repository.is_shallow() else False


def replaced_note(repository: GitRepository, request: BaseRequest) -> str | None:
    """Return a note if a push replaced its base and `find_base` chose another one, otherwise None."""
    replaced = request.event_base
    if replaced is None or not request.may_be_replaced or repository.commit(replaced) is not None:
        return None
    return (
        f"the push replaced {replaced[:12]}, which this clone does not have: the base is where the head left the"
        " default branch, or the commit before the head"
    )


def _local_base(repository: GitRepository, head: Commit, parents: list[str]) -> Commit | NoBase:
    """Return where `head` left the default branch. On the default branch itself, return the previous commit."""
    for branch in _DEFAULT_BRANCHES:
        tip = repository.commit(branch)
        fork = repository.merge_base(tip, head) if tip is not None else None
        if fork == head:
            break  # the head is on this branch; the following ones may have been left long ago
        if fork is not None:
            return fork
    if not parents:
        return NoBase("this is the first commit")
    return _present(repository, parents[0], depth=2)


def is_proposed(repository: GitRepository, head: Commit, named: str | None = None) -> bool:
    """Return whether `head` has left the branch that it is compared with, so that it would become a pull request.

    That is `named`, or else the default branch. False if neither is known.
    """
    tips = (
        tip
        for branch in ((named,) if named is not None else _DEFAULT_BRANCHES)
        if (tip := repository.commit(branch)) is not None
    )
    forks = (repository.merge_base(tip, head) for tip in tips)
    nearest = next((fork for fork in forks if fork is not None), None)
    return nearest is not None and nearest != head


def _merge_base(repository: GitRepository, head: Commit, revision: str, asked_by: str) -> Commit | NoBase:
    named = repository.commit(revision)
    if named is None:
        if repository.is_shallow():
            raise _too_shallow(revision, depth=0)
        raise ConfigurationError(
            f"{asked_by} names {revision}, which is not a commit of this repository",
            fix="fetch it (git fetch origin), or name another",
            check=DoctorCheck.BASE,
        )
    fork = repository.merge_base(named, head)
    if fork is None:
        if repository.is_shallow():
            raise _too_shallow(revision, depth=0)
        return NoBase(f"{revision} and the head have no common history")
    return NoBase(f"{revision} already contains the head") if fork == head else fork


def _present(repository: GitRepository, sha: str, depth: int) -> Commit:
    commit = repository.commit(sha)
    if commit is None:
        raise _too_shallow(sha, depth)
    return commit


def _elsewhere(merged_into: Commit, event_base: str) -> ConfigurationError:
    return ConfigurationError(
        f"HEAD is a merge into {merged_into.sha[:12]}, which is not on the branch of the event's base"
        f" {event_base[:12]}",
        fix="check out the event's own merge commit; after a force push of the base branch, push the pull request"
        " again; or name a base with --base (the action's input `base`)",
        check=DoctorCheck.BASE,
    )


def _not_here(revision: str) -> ConfigurationError:
    return ConfigurationError(
        f"the event's base {revision[:12]} is not in this clone: the base branch was force-pushed, or another"
        " repository was checked out",
        fix="check out the base's repository with `fetch-depth: 0`; after a force push, push the pull request again;"
        " or name a base with --base (the action's input `base`)",
        check=DoctorCheck.BASE,
    )


def _too_shallow(revision: str, depth: int) -> ConfigurationError:
    return ConfigurationError(
        f"this clone is shallow and lacks the base {revision[:12]}, so there is nothing to compare with",
        fix=f"give actions/checkout the line `fetch-depth: {depth}` under `with:` (or use --no-base)",
        check=DoctorCheck.BASE,
    )
