"""What the action keeps of a push, and of what it keeps nothing."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import DEFAULT_PLACE
from membudget.cli.action import ActionInputs
from membudget.cli.history_store import keep_pushed, lines_of_report
from membudget.core.errors import ConfigurationError
from membudget.measure.trial import Trial
from membudget.publish.server import Event
from membudget.publish.servers.github_server import GithubServer
from membudget.report.report import Report, RevisionReport
from tests.support.builders import image, report, side, trial
from tests.support.git_server import bare_repository
from tests.support.history import clone
from tests.support.repository import Repository


@dataclass
class Pushed(GithubServer):
    """A server whose event is given."""

    given: Event
    token: str = "token"

    @property
    def has_token(self) -> bool:
        return bool(self.token)

    def event(self) -> Event:
        return self.given


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A clone of a repository that can be pushed to."""
    bare = bare_repository(tmp_path / "origin.git")
    one = clone(str(bare), tmp_path / "clone")
    one.commit("first")
    one.git("push", "--quiet", "origin", "HEAD:main")
    monkeypatch.chdir(one.folder)
    return one


def about(sha: str, found: Trial | None = None) -> Report:
    made = report(image("api", base=side(trial(40)), head=side(found or trial(41))))
    head = RevisionReport(sha=sha, subject="")
    return made.model_copy(update={"comparison": made.comparison.model_copy(update={"head": head})})


def kept(repository: Repository) -> list[str]:
    store = GitHistory(GitRepository(repository.folder), DEFAULT_PLACE)
    store.fetch()
    return [note.commit for note in store.notes(None, 100_000)]


WANTED = ActionInputs(record_history="true", github_token=SecretStr("token"))


@pytest.mark.thorough
def test_a_push_to_the_default_branch_is_kept(repository: Repository) -> None:
    sha = repository.git("rev-parse", "HEAD")
    keep_pushed(about(sha), WANTED, Pushed(Event(main_commit=sha)))
    assert kept(repository) == [sha]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("inputs", "is_main", "token", "is_other", "said"),
    [
        (ActionInputs(), True, "token", False, ""),
        (WANTED, False, "token", False, ""),
        (WANTED, True, "", False, "record-history needs a token"),
        (WANTED, True, "token", True, "the report is about another commit"),
    ],
)
def test_nothing_else_is_kept(
    repository: Repository,
    capsys: pytest.CaptureFixture[str],
    inputs: ActionInputs,
    *,
    is_main: bool,
    token: str,
    is_other: bool,
    said: str,
) -> None:
    sha = repository.git("rev-parse", "HEAD")
    event = Event(main_commit=sha if is_main else None)
    keep_pushed(about("f" * 40 if is_other else sha), inputs, Pushed(event, token))
    assert kept(repository) == []
    found = capsys.readouterr().err
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.thorough
def test_a_history_that_cannot_be_pushed_is_a_warning(
    repository: Repository, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sha = repository.git("rev-parse", "HEAD")
    repository.git("remote", "set-url", "origin", str(tmp_path / "gone"))
    keep_pushed(about(sha), WANTED, Pushed(Event(main_commit=sha)))
    assert "are not kept" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_forged_report_is_a_warning(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    sha = repository.git("rev-parse", "HEAD")
    forged = about(sha, trial(2**43))
    with pytest.raises(ConfigurationError, match=r"report\.json: no check can have found its figures: api\.peak_rss"):
        lines_of_report(forged, "report.json")
    keep_pushed(forged, WANTED, Pushed(Event(main_commit=sha)))
    assert "are not kept" in capsys.readouterr().err
    assert kept(repository) == []


@pytest.mark.parametrize("inputs", [ActionInputs(record_history="yes"), ActionInputs(history="elsewhere")])
def test_wrong_inputs_are_refused(inputs: ActionInputs) -> None:
    with pytest.raises(ConfigurationError, match=r"neither true nor false|no place for the history"):
        inputs.check_history()
