"""`membudget history`, on real repositories."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from membudget.cli.main import main
from membudget.core.errors import ExitCode
from membudget.core.quantities import MIB
from membudget.report.report import Report, RevisionReport
from tests.support.builders import image, report, side, trial
from tests.support.git_server import bare_repository
from tests.support.history import clone
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A clone with three commits, which is where the command runs."""
    bare = bare_repository(tmp_path / "origin.git")
    one = clone(str(bare), tmp_path / "clone")
    for number in range(3):
        one.commit(f"commit {number}", {"file": str(number)})
    one.git("push", "--quiet", "origin", "HEAD:main")
    monkeypatch.chdir(one.folder)
    return one


def about(repository: Repository, revision: str, mib: float = 40, *, started: datetime | None = None) -> Report:
    """A report about a commit."""
    made = report(image("api", base=side(trial(40)), head=side(trial(mib))))
    head = RevisionReport(sha=repository.git("rev-parse", revision), subject="subject")
    update: dict[str, object] = {"comparison": made.comparison.model_copy(update={"head": head})}
    return made.model_copy(update=update | ({"started_at": started} if started is not None else {}))


def written(made: Report, name: str = "report.json") -> str:
    Path(name).write_text(made.model_dump_json())
    return name


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[int]:
    """The peaks in MiB, oldest first."""
    capsys.readouterr()
    assert main(["history", "list", "--format", "json", "--metric", "peak_rss", *arguments]) == 0
    (series,) = json.loads(capsys.readouterr().out)["series"] or [{"points": []}]
    return [point["value"] // MIB for point in series["points"]]


@pytest.mark.parametrize("place", ["notes", "branch:memory", "folder:../memory"])
def test_recorded_figures_are_listed(repository: Repository, capsys: pytest.CaptureFixture[str], place: str) -> None:
    assert main(["history", "record", written(about(repository, "HEAD", 41)), "--history", place]) == 0
    old = [written(about(repository, f"HEAD~{number}", 50 + number), f"old{number}.json") for number in (1, 2)]
    assert main(["history", "import", *old, "--history", place]) == 0
    assert listed(capsys, "--history", place) == [52, 51, 41]
    assert listed(capsys, "--history", place, "--last", "1") == [41]
    assert listed(capsys, "web", "--history", place) == []


def test_recorded_figures_are_pushed_now_or_later(repository: Repository, tmp_path: Path) -> None:
    assert main(["history", "record", written(about(repository, "HEAD")), "--push"]) == 0
    assert main(["history", "import", written(about(repository, "HEAD~1"))]) == 0
    assert main(["history", "push"]) == 0
    notes = clone(str(tmp_path / "origin.git"), tmp_path / "other")
    notes.git("fetch", "--quiet", "origin", "refs/notes/*:refs/notes/*")
    assert len(notes.git("notes", "--ref=membudget", "list").splitlines()) == 2


def test_figures_of_commits_that_a_forced_push_removed_hold_up_no_others(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", "record", written(about(repository, "HEAD"))]) == 0
    repository.git("commit", "--quiet", "--amend", "--message", "another")
    repository.git("push", "--quiet", "--force", "origin", "HEAD:main")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    assert main(["history", "record", written(about(repository, "HEAD"))]) == 0
    assert main(["history", "push"]) == 0
    said = capsys.readouterr()
    assert "the figures of 1 commits were pushed" in said.out
    assert "the figures of 1 commit are not pushed: this clone does not have the commit" in said.err


def test_a_report_about_another_commit_is_refused(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "record", written(about(repository, "HEAD~1"))]) == ExitCode.CONFIGURATION
    assert "which is not HEAD" in capsys.readouterr().err
    assert main(["history", "record", "report.json", "--commit", "HEAD~1"]) == 0


def test_reports_about_other_branches_are_not_imported(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    made = about(repository, "HEAD")
    elsewhere = made.comparison.model_copy(update={"head": RevisionReport(sha="f" * 40, subject="")})
    path = written(made.model_copy(update={"comparison": elsewhere}))
    assert main(["history", "import", path]) == 0
    found = capsys.readouterr()
    assert "is not on the branch of HEAD" in found.err
    assert "0 commits" in found.out


def test_forged_figures_are_refused(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    future = written(about(repository, "HEAD", started=datetime.now(UTC) + timedelta(days=400)))
    forged = json.loads(about(repository, "HEAD").model_dump_json())
    forged["images"][0]["head"]["metrics"]["peak_rss"]["value"] = 1
    Path("forged.json").write_text(json.dumps(forged))
    for path in (future, "forged.json"):
        assert main(["history", "record", path]) == ExitCode.CONFIGURATION
        assert "contradict" in capsys.readouterr().err
    assert listed(capsys) == []


def test_damaged_notes_are_counted_and_the_others_shown(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", "record", written(about(repository, "HEAD", 41))]) == 0
    repository.git("notes", "--ref=membudget", "append", "-m", '{"v":1,"image":"api","met', "HEAD")
    repository.git("notes", "--ref=membudget", "add", "-m", "hello", "HEAD~1")
    assert listed(capsys) == [41]
    assert main(["history", "list"]) == 0
    found = capsys.readouterr()
    assert "2 lines are damaged" in found.err
    assert "41.0 MiB" in found.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--metric", "rss"], "there is no metric rss"),
        (["list", "--history", "elsewhere"], "is no place for the history"),
        (["list", "--output", "x"], "--output is not for --format table"),
        (["list", "--revision", "gone"], "gone is not a commit"),
        (["push", "--history", "folder:x"], "there is nothing to push to"),
        (["record", "nowhere.json"], "there is no report"),
    ],
)
def test_what_cannot_work_is_said(
    repository: Repository, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["history", *arguments]) == ExitCode.CONFIGURATION
    assert said in capsys.readouterr().err


def test_a_folder_is_not_pushed(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["history", "record", written(about(repository, "HEAD")), "--push", "--history", "folder:../memory"]
    assert main(arguments) == ExitCode.CONFIGURATION
    assert "--push is for notes and branches" in capsys.readouterr().err


def test_other_formats_go_to_files(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "record", written(about(repository, "HEAD"))]) == 0
    assert main(["history", "list", "--format", "csv", "--output", "out.csv"]) == 0
    assert Path("out.csv").read_text().startswith("time,commit,api.image_size,api.peak_rss")
    assert main(["history", "list", "--format", "openmetrics"]) == 0
    assert "# EOF" in capsys.readouterr().out
    assert main(["history", "list", "api", "--format", "chart"]) == 0
    assert "│█" in capsys.readouterr().out


def test_production_is_compared_with_the_newest_figures(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", "record", written(about(repository, "HEAD", 41))]) == 0
    old = written(about(repository, "HEAD~1", 90), "old.json")
    assert main(["history", "import", old]) == 0
    Path("samples.csv").write_text(f"time,container,rss_bytes\n1,api,{82 * MIB}\n")
    capsys.readouterr()
    assert main(["fidelity", "production", "--from-history", "--samples", "samples.csv"]) == 0
    said = capsys.readouterr().out
    assert "the workload reaches 50% of production's peak RSS" in said
    assert "CI's RSS comes from the history and includes shared memory" in said
