from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.git_base import find_base, replaced_note, unproven_note
from membudget.build.revision import BaseRequest, Commit, NoBase
from membudget.core.errors import ConfigurationError, ExitCode
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.new(tmp_path / "repository")


def base_of(folder: Path, request: BaseRequest) -> str:
    """The id of the base, or why there is none."""
    git = GitRepository(folder)
    head = git.commit("HEAD")
    assert head is not None
    base = find_base(git, head, request)
    return base.sha if isinstance(base, Commit) else base.reason


@pytest.mark.thorough
def test_the_base_is_where_the_head_left_not_the_tip(repository: Repository) -> None:
    fork = repository.commit("fork")
    repository.branch("change")
    repository.commit("change")
    repository.git("checkout", "--quiet", "main")
    repository.commit("meanwhile on main")
    repository.git("checkout", "--quiet", "change")
    for request in (BaseRequest(), BaseRequest(revision="main"), BaseRequest(event_base="main")):
        assert base_of(repository.folder, request) == fork


@pytest.mark.thorough
def test_of_githubs_merge_of_a_pull_request_it_is_the_first_parent(repository: Repository) -> None:
    repository.commit("fork")
    repository.branch("change")
    change = repository.commit("change", {"change": "x"})
    repository.git("checkout", "--quiet", "main")
    tip = repository.commit("meanwhile on main", {"main": "x"})
    repository.git("merge", "--quiet", "--no-ff", "--no-verify", "--message", "merge", "change")
    assert base_of(repository.folder, BaseRequest(event_head=change, event_base="0" * 40)) == tip


@pytest.mark.thorough
def test_a_merge_into_what_is_not_on_the_base_branch_is_refused(repository: Repository) -> None:
    repository.commit("fork")
    repository.branch("elsewhere")
    repository.commit("what the author likes better", {"elsewhere": "x"})
    repository.git("checkout", "--quiet", "main")
    tip = repository.commit("meanwhile on main", {"main": "x"})
    repository.branch("change")
    change = repository.commit("change", {"change": "x"})
    repository.git("checkout", "--quiet", "elsewhere")
    repository.git("merge", "--quiet", "--no-ff", "--no-verify", "--message", "merge", "change")
    with pytest.raises(ConfigurationError, match="which is not on the branch of the event's base"):
        base_of(repository.folder, BaseRequest(event_head=change, event_base=tip))


@pytest.mark.thorough
@pytest.mark.parametrize("is_behind", [True, False])
def test_the_base_branch_may_have_gone_on_since_the_event(repository: Repository, *, is_behind: bool) -> None:
    first = repository.commit("fork")
    repository.branch("change")
    change = repository.commit("change", {"change": "x"})
    repository.git("checkout", "--quiet", "main")
    tip = repository.commit("meanwhile on main", {"main": "x"})
    repository.git("merge", "--quiet", "--no-ff", "--no-verify", "--message", "merge", "change")
    event_base = first
    if is_behind:
        repository.git("checkout", "--quiet", "-b", "later", tip)
        event_base = repository.commit("later on main", {"later": "x"})
        repository.git("checkout", "--quiet", "main")
    assert base_of(repository.folder, BaseRequest(event_head=change, event_base=event_base)) == tip


@pytest.mark.thorough
def test_a_shallow_clone_that_cannot_show_the_base_branch_is_told_as_a_note(
    repository: Repository, tmp_path: Path
) -> None:
    fork = repository.commit("fork")
    repository.commit("between")
    repository.branch("change")
    change = repository.commit("change", {"change": "x"})
    repository.git("checkout", "--quiet", "main")
    tip = repository.commit("meanwhile on main", {"main": "x"})
    repository.git("merge", "--quiet", "--no-ff", "--no-verify", "--message", "merge", "change")
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=2", f"file://{repository.folder}", str(shallow))
    request = BaseRequest(event_head=change, event_base=fork)
    assert base_of(shallow, request) == tip
    git = GitRepository(shallow)
    head = git.commit("HEAD")
    assert head is not None
    assert "too shallow to show that the base" in (unproven_note(git, head, request) or "")
    assert unproven_note(git, head, BaseRequest(event_head=change, event_base=tip)) is None


@pytest.mark.thorough
def test_a_branch_that_took_main_in_is_no_merge_of_githubs(repository: Repository) -> None:
    """With `ref: head.sha` the checkout is the branch itself, whose last commit may be a merge of its own."""
    repository.commit("fork")
    repository.branch("change")
    repository.commit("change", {"change": "x"})
    repository.git("checkout", "--quiet", "main")
    tip = repository.commit("meanwhile on main", {"main": "x"})
    repository.git("checkout", "--quiet", "change")
    repository.git("merge", "--quiet", "--no-ff", "--no-verify", "--message", "take main in", "main")
    head = repository.git("rev-parse", "HEAD")
    assert base_of(repository.folder, BaseRequest(event_head=head, event_base=tip)) == tip


@pytest.mark.thorough
def test_what_a_push_replaced_may_be_nowhere_any_more(repository: Repository) -> None:
    fork = repository.commit("fork")
    repository.branch("change")
    repository.commit("change", {"change": "x"})
    replaced = BaseRequest(event_base="1" * 40, may_be_replaced=True)
    assert base_of(repository.folder, replaced) == fork
    git = GitRepository(repository.folder)
    note = replaced_note(git, replaced)
    assert note is not None
    assert note.startswith(f"the push replaced {'1' * 12}, which this clone does not have")
    assert replaced_note(git, BaseRequest(event_base=fork, may_be_replaced=True)) is None
    assert replaced_note(git, BaseRequest(event_base="1" * 40)) is None, "nothing was replaced"
    assert replaced_note(git, BaseRequest()) is None


@pytest.mark.thorough
def test_the_base_of_a_pull_request_is_not_guessed(repository: Repository) -> None:
    """A checkout of a fork has a main branch of the fork's own: it is not what the pull request goes into."""
    repository.commit("fork")
    repository.branch("change")
    repository.commit("change", {"change": "x"})
    head = repository.git("rev-parse", "HEAD")
    for event_head in (head, "2" * 40, None):
        with pytest.raises(ConfigurationError) as caught:
            base_of(repository.folder, BaseRequest(event_base="1" * 40, event_head=event_head))
        assert caught.value.exit_code is ExitCode.CONFIGURATION
        assert "the event's base 111111111111 is not in this clone" in str(caught.value)
        assert "fetch-depth: 0" in str(caught.value)


@pytest.mark.thorough
def test_on_the_default_branch_it_is_the_commit_before(repository: Repository) -> None:
    first = repository.commit("first")
    repository.commit("second")
    assert base_of(repository.folder, BaseRequest()) == first


@pytest.mark.thorough
def test_an_old_branch_of_another_default_name_does_not_matter(repository: Repository) -> None:
    repository.commit("long ago")
    repository.git("branch", "master")  # what the default branch was called before
    before = repository.commit("before")
    repository.commit("now")
    assert base_of(repository.folder, BaseRequest()) == before


@pytest.mark.thorough
def test_a_commit_that_is_not_pushed_yet_is_compared_with_what_is(repository: Repository, tmp_path: Path) -> None:
    pushed = repository.commit("pushed")
    repository.git("clone", "--quiet", str(repository.folder), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.commit("not pushed")
    clone.commit("neither")
    assert base_of(clone.folder, BaseRequest()) == pushed


@pytest.mark.thorough
def test_the_first_commit_has_none(repository: Repository) -> None:
    only = repository.commit("first")
    assert base_of(repository.folder, BaseRequest()) == "this is the first commit"
    assert base_of(repository.folder, BaseRequest(none=True)) == "--no-base was given"
    assert base_of(repository.folder, BaseRequest(revision=only)) == f"{only} already contains the head"


@pytest.mark.thorough
def test_histories_that_have_nothing_in_common(repository: Repository) -> None:
    repository.commit("first")
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit("other")
    assert base_of(repository.folder, BaseRequest(revision="main")) == "main and the head have no common history"


@pytest.mark.thorough
@pytest.mark.parametrize("revision", ["nowhere", "--help", "0" * 40])
def test_a_revision_that_does_not_exist(repository: Repository, revision: str) -> None:
    repository.commit("first")
    with pytest.raises(ConfigurationError, match=f"--base names {revision}, which is not a commit"):
        base_of(repository.folder, BaseRequest(revision=revision))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("request_", "depth"),
    [
        (BaseRequest(), 2),
        (BaseRequest(revision="origin/elsewhere"), 0),
        (BaseRequest(event_base="a" * 40), 0),
        (BaseRequest(event_head="HEAD^2"), 2),
    ],
)
def test_a_clone_that_is_too_shallow_is_told_the_line_to_add(
    repository: Repository, tmp_path: Path, request_: BaseRequest, depth: int
) -> None:
    repository.commit("fork")
    repository.branch("change")
    change = repository.commit("change", {"change": "x"})
    repository.git("checkout", "--quiet", "main")
    repository.commit("meanwhile", {"main": "x"})
    if request_.event_head is not None:
        repository.git("merge", "--quiet", "--no-ff", "--no-verify", "--message", "merge", "change")
        request_ = BaseRequest(event_head=change)
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(shallow))
    with pytest.raises(ConfigurationError, match=f"`fetch-depth: {depth}`"):
        base_of(shallow, request_)


@pytest.mark.thorough
def test_a_shallow_first_commit_is_still_told_apart_from_a_cut(repository: Repository, tmp_path: Path) -> None:
    repository.commit("first")
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "shallow"))
    git = GitRepository(tmp_path / "shallow")
    head = git.commit("HEAD")
    assert head is not None
    assert isinstance(find_base(git, head, BaseRequest()), NoBase)
