"""Which earlier commits are measured. tests/integration/test_history.py measures some."""

from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.cli.backfill import _chosen, _unmeasured
from membudget.core.errors import ConfigurationError
from tests.support.history import MACHINE, line, text
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Seven commits. The second has the tag v1."""
    made = Repository.new(tmp_path / "repository")
    for number in range(7):
        made.commit(str(number))
        if number == 1:
            made.git("tag", "v1")
    return made


@pytest.mark.parametrize(
    ("since", "every", "chosen"),
    [("v1", 1, "123456"), ("v1", 2, "246"), ("v1", 5, "16"), ("HEAD", 3, "6"), ("HEAD~2", 10, "6")],
)
def test_every_nth_commit_since_then_is_measured_with_the_newest(
    repository: Repository, since: str, every: int, chosen: str
) -> None:
    found = _chosen(GitRepository(repository.folder), since, every)
    assert "".join(commit.subject for commit in found) == chosen


def test_a_revision_that_is_not_there_is_named(repository: Repository) -> None:
    with pytest.raises(ConfigurationError, match="v9 is not a commit"):
        _chosen(GitRepository(repository.folder), "v9", 1)


def test_commits_that_such_a_machine_has_measured_are_skipped(repository: Repository) -> None:
    git = GitRepository(repository.folder)
    store = GitHistory(git, DEFAULT_PLACE)
    commits = _chosen(git, "HEAD~2", 1)
    other = line(commits[0].sha).model_copy(update={"machine": "another"})
    store.append({commits[0].sha: text(other), commits[1].sha: text(line(commits[1].sha))})
    assert [commit.subject for commit in _unmeasured(commits, store, MACHINE)] == ["4", "6"]
