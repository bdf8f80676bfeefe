"""The main branch as the history sees it: its commits by first parent, and its tags."""

from collections.abc import Collection, Iterator, Sequence

from membudget.build.git import GitRepository
from membudget.build.history_place import MOST_COMMITS
from membudget.build.revision import MainCommit
from membudget.core.errors import ConfigurationError, DoctorCheck

_FIELDS = "%H%x1f%ct%x1f%s"


def main_commits(repository: GitRepository, revision: str, most: int = MOST_COMMITS) -> list[MainCommit]:
    """Return a commit and those before it on its branch, newest first.

    These are the first parents: a branch that was merged counts as its merge. A shallow clone has fewer. Raises
    ConfigurationError if there is no such commit, and EnvironmentFault if git cannot read them.
    """
    tip = repository.commit(revision)
    if tip is None:
        raise ConfigurationError(
            f"{revision} is not a commit of this repository", fix="fetch it, or name another", check=DoctorCheck.GIT
        )
    log = repository.said("log", "--first-parent", "--no-show-signature", "-z", f"-n{most}", f"--format={_FIELDS}",
                          tip.sha, "--")  # fmt: skip
    return list(_parsed(log))


def _parsed(log: str) -> Iterator[MainCommit]:
    for record in log.split("\0"):
        sha, _, rest = record.partition("\x1f")
        time, _, subject = rest.partition("\x1f")
        if time.lstrip("-").isdigit():
            yield MainCommit(sha, int(time), subject)


def tagged_commits(repository: GitRepository) -> frozenset[str]:
    """Return the commits that a tag of this clone names. Raises EnvironmentFault."""
    return frozenset(repository.said("rev-list", "--no-walk", "--tags").split())


def tag_names(repository: GitRepository) -> dict[str, list[str]]:
    """Return the names of this clone's tags, by the commit that they name. Raises EnvironmentFault."""
    form = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)%00%(refname:lstrip=2)"
    found: dict[str, list[str]] = {}
    for record in repository.said("for-each-ref", f"--format={form}", "refs/tags").split("\n"):
        sha, _, name = record.partition("\0")
        if not name:
            continue  # there are no tags
        found.setdefault(sha, []).append(name)
    return found


def newest_of(commits: Sequence[MainCommit], wanted: Collection[str]) -> int | None:
    """Return the place of the newest commit that is among `wanted`. None if there is none."""
    return next((index for index, commit in enumerate(commits) if commit.sha in wanted), None)


def commit_at(commits: Sequence[MainCommit], time_s: int) -> MainCommit | None:
    """Return the newest commit that a branch had at a time. None if the branch is younger.

    `commits` are the branch's, newest first. No commit is older than the one before it. So a commit with a time of
    long ago counts as young as its parent, and cannot stand for an old one.
    """
    found, newest_s = None, None
    for commit in reversed(commits):
        newest_s = commit.time_s if newest_s is None else max(newest_s, commit.time_s)
        if newest_s > time_s:
            break
        found = commit
    return found


def commits_after(repository: GitRepository, tip: str, revision: str) -> int | None:
    """Return how many commits of a branch are not part of a revision. None if there is no such revision.

    For a tag on another branch, these are the commits since the two went apart. Raises EnvironmentFault.
    """
    commit = repository.commit(revision)
    if commit is None:
        return None
    return int(repository.said("rev-list", "--first-parent", "--count", tip, f"^{commit.sha}", "--"))
