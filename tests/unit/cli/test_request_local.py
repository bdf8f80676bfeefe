"""A check on a developer's machine is judged as CI will judge the pull request."""

from pathlib import Path

import pytest

from membudget.budgets.loosening import Approval, LabelState
from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest
from membudget.check.check import CheckRequest
from membudget.cli.main import main
from membudget.cli.request import Wanted, check_request
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from tests.support.repository import Repository

BASE = 'version = 1\n[images.api]\nlimit = "64MiB"\nbudgets.peak_rss.max = "40MiB"\n'
LOOSER = BASE.replace("40MiB", "50MiB")
STRICTER = BASE.replace("40MiB", "30MiB")
pytestmark = pytest.mark.thorough  # git


@pytest.fixture
def work(tmp_path: Path) -> Repository:
    made = Repository.new(tmp_path / "work")
    made.commit("First", {"Dockerfile": "FROM scratch\n"})
    made.commit("Base", {"budgets.toml": BASE})
    return made


def request(work: Repository, label: LabelState | None = None, *, approved: bool = False) -> CheckRequest:
    file = work.folder / "budgets.toml"
    wanted = Wanted(file, BaseRequest(), is_local=True, is_approved=approved)
    return check_request(GitRepository(work.folder), wanted, label)


def most(made: CheckRequest) -> int | None:
    return made.rules.images["api"].budgets[Metric.PEAK_RSS].max


def test_a_looser_budget_of_a_branch_is_not_approved(work: Repository) -> None:
    work.branch("change")
    work.commit("Head", {"budgets.toml": LOOSER})
    made = request(work)
    assert (made.approval, most(made)) == (Approval.MISSING, 40 * MIB)
    assert [one.key for one in made.rules.loosened] == ["budgets.peak_rss.max"]
    assert made.is_local


def test_approved_shows_the_result_with_the_label(work: Repository) -> None:
    work.branch("change")
    work.commit("Head", {"budgets.toml": LOOSER})
    made = request(work, approved=True)
    assert (made.approval, most(made)) == (Approval.GIVEN, 50 * MIB)


def test_an_edit_that_is_not_committed_is_a_pull_request_to_be(work: Repository) -> None:
    work.write({"budgets.toml": LOOSER})
    made = request(work)
    assert made.approval is Approval.MISSING


def test_what_is_on_the_default_branch_was_approved(work: Repository) -> None:
    work.commit("Merged", {"budgets.toml": LOOSER})
    made = request(work)
    assert (made.approval, most(made)) == (Approval.NOT_ASKED, 50 * MIB)
    assert [one.key for one in made.rules.loosened] == ["budgets.peak_rss.max"]
    work.write({"budgets.toml": LOOSER.replace("64MiB", "60MiB")})
    assert request(work).approval is Approval.NOT_ASKED, "a stricter edit needs nobody"


def test_a_stricter_budget_of_a_branch_counts_without_a_word(work: Repository) -> None:
    work.branch("change")
    work.commit("Head", {"budgets.toml": STRICTER})
    made = request(work)
    assert (most(made), made.rules.loosened) == (30 * MIB, ())


def test_without_a_known_default_branch_nothing_is_asked(work: Repository) -> None:
    work.git("branch", "-m", "main", "trunk")
    work.branch("change")
    work.commit("Head", {"budgets.toml": LOOSER})
    assert request(work).approval is Approval.NOT_ASKED


def test_the_event_of_a_job_says_more_than_the_branch(work: Repository) -> None:
    work.branch("change")
    work.commit("Head", {"budgets.toml": LOOSER})
    assert request(work, LabelState(is_set=True, is_fresh=True)).approval is Approval.GIVEN


def test_approved_is_refused_in_a_job(
    work: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(work.folder)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["check", "--approved"]) == 2
    assert "the label memory-budget-approved approves looser budgets" in capsys.readouterr().err


def test_the_base_that_is_named_guards_where_no_default_branch_is_known(work: Repository) -> None:
    work.git("branch", "-m", "main", "develop")
    work.branch("change")
    work.commit("Head", {"budgets.toml": LOOSER})
    wanted = Wanted(work.folder / "budgets.toml", BaseRequest(revision="develop"), is_local=True)
    made = check_request(GitRepository(work.folder), wanted, None)
    assert (made.approval, most(made)) == (Approval.MISSING, 40 * MIB)


def test_a_base_without_a_budgets_file_is_told_in_the_report_alone(tmp_path: Path) -> None:
    """It was also told before the trials, and stood twice on the terminal."""
    work = Repository.new(tmp_path / "first")
    work.commit("First", {"Dockerfile": "FROM scratch\n"})
    work.commit("Base", {"budgets.toml": BASE})
    made = request(work)
    assert [note for note in made.base_notes if "has no budgets.toml: every image counts as new" in note]
    assert not [note for note in made.notes if "budgets.toml" in note]
