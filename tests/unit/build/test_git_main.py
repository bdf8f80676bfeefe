from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_main import commit_at, commits_after, main_commits, newest_of, tag_names, tagged_commits
from membudget.build.revision import MainCommit
from membudget.core.errors import ConfigurationError, EnvironmentFault
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough


def test_a_merged_branch_counts_as_its_merge(tmp_path: Path) -> None:
    repository = Repository.new(tmp_path / "repository")
    first = repository.commit("first")
    repository.git("tag", "v1")
    repository.branch("change")
    repository.commit("of the branch", {"x": "x"})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message", "merge\x1f odd", "change")
    git = GitRepository(repository.folder)
    found = main_commits(git, "HEAD")
    assert [(commit.sha == first, commit.subject) for commit in found] == [(False, "merge\x1f odd"), (True, "first")]
    assert main_commits(git, "HEAD", 1) == found[:1]
    assert newest_of(found, tagged_commits(git)) == 1


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    repository = Repository.new(tmp_path / "repository")
    repository.commit("first")
    git = GitRepository(repository.folder)
    assert newest_of(main_commits(git, "HEAD"), tagged_commits(git)) is None
    with pytest.raises(ConfigurationError, match="nowhere is not a commit"):
        main_commits(git, "nowhere")


def test_a_tag_of_a_tag_names_its_commit(tmp_path: Path) -> None:
    repository = Repository.new(tmp_path / "repository")
    first = repository.commit("first")
    repository.git("tag", "--annotate", "--message", "one", "v1")
    repository.git("tag", "--annotate", "--message", "two", "v2", "v1")
    repository.git("tag", "tree", "HEAD^{tree}")
    assert tagged_commits(GitRepository(repository.folder)) == {first}


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\u2029"])
def test_a_tag_with_a_line_separator_in_its_name_is_one_tag(tmp_path: Path, separator: str) -> None:
    repository = Repository.new(tmp_path / "repository")
    first = repository.commit("first")
    names = [f"a{separator}b", f"z{separator}"]
    for name in names:
        repository.git("tag", name)
    assert tag_names(GitRepository(repository.folder)) == {first: names}
    assert tag_names(GitRepository(Repository.new(tmp_path / "empty").folder)) == {}


def test_what_git_cannot_read_is_never_taken_for_nothing(tmp_path: Path) -> None:
    repository = Repository.new(tmp_path / "repository")
    first, second, third = (repository.commit(str(number)) for number in range(3))
    git = GitRepository(repository.folder)
    missing = repository.folder / ".git" / "objects" / second[:2] / second[2:]
    missing.unlink()
    with pytest.raises(EnvironmentFault, match="git log"):
        main_commits(git, "HEAD")
    with pytest.raises(EnvironmentFault, match="git rev-list"):
        commits_after(git, third, first)
    (repository.folder / ".git" / "refs" / "tags" / "v1").write_text(second + "\n")
    with pytest.raises(EnvironmentFault, match="git rev-list"):
        tagged_commits(git)


def at(times: list[int], time_s: int) -> int | None:
    """The number of the commit, oldest first."""
    commits = [MainCommit(str(number), time, "") for number, time in enumerate(times)]
    found = commit_at(commits[::-1], time_s)
    return int(found.sha) if found is not None else None


def test_the_commit_of_a_date_is_the_newest_that_was_there() -> None:
    assert at([10, 20, 30], 25) == 1
    assert at([10, 20, 30], 30) == 2
    assert at([10, 20, 30], 9) is None


def test_a_commit_with_a_time_of_long_ago_does_not_stand_for_an_old_one() -> None:
    """It would hide the growth since then."""
    assert at([10, 20, 0, 30], 15) == 0
    assert at([10, 99, 20, 30], 25) == 0
