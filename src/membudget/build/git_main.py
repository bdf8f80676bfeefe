"""The main branch as the history sees it: its commits by first parent, and its tags."""

from collections.abc import Iterator, Sequence

from membudget.build.git import GitRepository
from membudget.build.revision import MainCommit
from membudget.core.errors import ConfigurationError, DoctorCheck

MOST_COMMITS = 20_000
"""The most commits of the main branch that are looked at, newest first."""
_FIELDS = "%H%x1f%ct%x1f%s"


def main_commits(repository: GitRepository, revision: str, most: int = MOST_COMMITS) -> list[MainCommit]:
    """Return a commit and those before it on its branch, newest first. Raises ConfigurationError.

    These are the first parents: a branch that was merged counts as its merge. A shallow clone has fewer.
    """
    tip = repository.commit(revision)
    if tip is None:
        raise ConfigurationError(
            f"{revision} is not a commit of this repository", fix="fetch it, or name another", check=DoctorCheck.GIT
        )
    log = repository.said("log", "--first-parent", "--no-show-signature", "-z", f"-n{most}", f"--format={_FIELDS}",
                          tip.sha, "--")  # fmt: skip
    return list(_parsed(log or ""))


def _parsed(log: str) -> Iterator[MainCommit]:
    for record in log.split("\0"):
        sha, _, rest = record.partition("\x1f")
        time, _, subject = rest.partition("\x1f")
        if time.lstrip("-").isdigit():
            yield MainCommit(sha, int(time), subject)


def nearest_tag(repository: GitRepository, revision: str) -> str | None:
    """Return the nearest tag at or before a commit of the main branch. None if there is none."""
    return repository.said("describe", "--tags", "--abbrev=0", "--first-parent", "--end-of-options", revision) or None


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

    For a tag on another branch, these are the commits since the two went apart.
    """
    commit = repository.commit(revision)
    if commit is None:
        return None
    counted = repository.said("rev-list", "--first-parent", "--count", tip, f"^{commit.sha}", "--")
    return int(counted) if counted is not None and counted.isdigit() else None
