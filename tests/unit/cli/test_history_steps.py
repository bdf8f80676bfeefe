"""`membudget history steps`: which steps are measured again, and how they are told. The engine is not needed.

tests/integration/test_history_steps.py measures some.
"""

import argparse
import os
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from documented_workflows import workflows_on
from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.git_main import main_commits
from membudget.build.history_place import DEFAULT_PLACE
from membudget.cli import main as main_module
from membudget.cli.arguments import make_parser
from membudget.cli.history_steps import _Clock, _of_today, _other_machines, _Run, _Suspicions, _wanted
from membudget.cli.history_tell import _oldest
from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.step_line import StepLine, StepOutcome
from membudget.history.steps import SuspectedStep
from membudget.publish.steps_file import write_steps
from membudget.report.formats.steps import ListedStep
from membudget.report.step_words import ToldStep
from membudget.report.steps_report import MOST_STEPS, StepReport
from tests.support.github_operations import Permission
from tests.support.github_server import Github
from tests.support.history import MACHINE, NOW, clone, line, text
from tests.support.proven_steps import comparison, step, steps, told, unproven
from tests.support.repository import Repository

SHOP = "octo/shop"
TOP = Path(__file__).parents[3]
pytestmark = pytest.mark.thorough


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with twelve commits, in which we are. From the seventh on, api holds 8 MiB more."""
    made = Repository.new(tmp_path / "repository")
    shas = [made.commit(f"Commit {number}") for number in range(12)]
    lines = {sha: text(line(sha, (48 if number >= 6 else 40) + number / 50)) for number, sha in enumerate(shas)}
    GitHistory(GitRepository(made.folder), DEFAULT_PLACE).append(lines)
    monkeypatch.chdir(made.folder)
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "FORGEJO_", "GITEA_"))]:
        monkeypatch.delenv(name)
    return made


def sha(branch: Repository, number: int) -> str:
    return branch.git("rev-parse", f"HEAD~{11 - number}")


def run(*arguments: str) -> int:
    return main_module.main(["history", "steps", *arguments])


def options(**changed: object) -> argparse.Namespace:
    usual: dict[str, object] = {"images": [], "metric": None, "revision": "HEAD", "last": 500}
    return argparse.Namespace(**{**usual, **changed})


def suspicions(branch: Repository, **changed: object) -> list[ListedStep]:
    git = GitRepository(branch.folder)
    return list(_Suspicions.of(git, GitHistory(git, DEFAULT_PLACE), options(**changed)).listed)


def test_suspected_steps_are_listed(branch: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == ExitCode.WITHIN_BUDGET
    shown = capsys.readouterr().out
    assert "Commit 6" in shown
    assert "not measured again yet" in shown
    assert "linux/amd64" in shown, "only such a machine can measure it again"
    assert run("web") == ExitCode.WITHIN_BUDGET
    assert "no step is suspected" in capsys.readouterr().out


def test_a_search_that_the_history_knows_is_listed_with_its_outcome(branch: Repository) -> None:
    found = StepLine(
        image="api", metric="peak_rss", commit=sha(branch, 6), since=sha(branch, 5), outcome=StepOutcome.CONFIRMED,
        time=NOW, machine=MACHINE, membudget="0.1.0",
    )  # fmt: skip
    GitHistory(GitRepository(branch.folder), DEFAULT_PLACE).append({found.commit: found.text() + b"\n"})
    (listed,) = suspicions(branch)
    assert listed.earlier == found
    assert list(_wanted([listed], MACHINE, is_again=False)) == []
    assert list(_wanted([listed], MACHINE, is_again=True)) == [listed]


def listed(branch: Repository, growth: float, outcome: StepOutcome | None = None) -> ListedStep:
    (one,) = suspicions(branch)
    made = replace(one.step, value_before=40 * MIB, value_after=round((40 + growth) * MIB))
    earlier = None
    if outcome is not None:
        earlier = StepLine(
            image="api", metric="peak_rss", commit=sha(branch, 6), since=sha(branch, 5), outcome=outcome, time=NOW,
            machine=MACHINE, membudget="0.1.0",
        )  # fmt: skip
    return ListedStep(made, earlier)


def test_the_largest_new_step_comes_first_and_improvements_never(branch: Repository) -> None:
    small, large, better = listed(branch, 2), listed(branch, 8), listed(branch, -8)
    begun = listed(branch, 4, StepOutcome.NARROWED)
    known = [listed(branch, 9, outcome) for outcome in StepOutcome if outcome is not StepOutcome.NARROWED]
    found = list(_wanted([small, better, large, begun, *known], MACHINE, is_again=False))
    assert found == [large, begun, small]


def test_metrics_that_nothing_can_prove_are_not_measured(branch: Repository) -> None:
    one = listed(branch, 8)
    kills = replace(one, step=replace(one.step, metric=Metric.OOM_KILLS, value_before=0, value_after=3))
    assert list(_wanted([kills, one], MACHINE, is_again=False)) == [one]


def test_a_step_of_another_kind_of_machine_is_not_measured(branch: Repository) -> None:
    one = listed(branch, 8)
    assert list(_wanted([one], "another", is_again=True)) == []
    of_all = replace(one, step=replace(one.step, machine=None))
    assert list(_wanted([of_all], "another", is_again=False)) == [of_all]
    assert _other_machines([one, of_all, listed(branch, -8)], "another") == [MACHINE]
    known = listed(branch, 8, StepOutcome.CONFIRMED)
    assert _other_machines([known], "another") == _other_machines([one], MACHINE) == []


def test_images_that_were_removed_leave_their_places_to_others(branch: Repository) -> None:
    one = listed(branch, 2)
    gone = [replace(one, step=replace(one.step, image="gone", value_after=one.step.value_after * 2))] * 30
    found = list(_wanted([*gone, one], MACHINE, is_again=False))
    assert found[-1] == one
    assert _of_today(found, ["api"]) == [one]
    assert len(_of_today([one] * 30, ["api"])) == MOST_STEPS


@pytest.mark.parametrize("arguments", [[], ["--confirm"], ["--tell", "nothing", "--from", "steps.json"]])
def test_a_shallow_clone_is_refused(
    branch: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    """It has no step of the commits that it lacks, and nobody would notice."""
    monkeypatch.chdir(clone(f"file://{branch.folder}", tmp_path / "shallow", "--depth=5").folder)
    assert run(*arguments) == ExitCode.CONFIGURATION
    assert "fetch-depth: 0" in capsys.readouterr().err


def test_no_comparison_begins_that_would_end_too_late() -> None:
    clock = _Clock(60_000)
    assert clock.has_time()
    clock._longest_s = 61
    assert not clock.has_time()
    assert not _Clock(0).has_time()
    assert _Clock(None, _longest_s=1e9).has_time()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tell", "issue"], "--tell needs --from FILE"),
        (["--output", "x.json"], "--output needs --confirm"),
        (["--from", "x.json"], "--from needs --tell"),
        (["--push"], "--push needs --confirm or --tell"),
        (["--time-budget", "30m", "--tell", "nothing", "--from", "x.json"], "--time-budget needs --confirm"),
        (["--tell", "issue", "--from", "x.json"], "--tell issue needs a token"),
        (["--tell", "nothing", "--from", "x.json", "--push"], "there is no remote `origin` to push to"),
        (["--confirm", "--push", "--history", "folder:x"], "--push is for notes and branches"),
        (["--metric", "rss"], "there is no metric rss"),
    ],
)
def test_options_that_do_not_belong_together_are_named(
    branch: Repository, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == ExitCode.CONFIGURATION
    assert message in capsys.readouterr().err


def moved(branch: Repository, one: StepReport) -> StepReport:
    """A step, with the commits of the branch."""
    since, until = (sha(branch, int(text, 16)) for text in (one.since, one.until))
    report = one.report
    if report is not None and report.comparison.base is not None:
        base = report.comparison.base.model_copy(update={"sha": since})
        head = report.comparison.head.model_copy(update={"sha": until})
        report = report.model_copy(
            update={"comparison": report.comparison.model_copy(update={"base": base, "head": head})}
        )
    return one.model_copy(update={"since": since, "until": until, "report": report})


def told_file(branch: Repository, tmp_path: Path, *found: StepReport) -> str:
    """The file of a run, with the commits of the branch."""
    path = tmp_path / "steps.json"
    write_steps(steps(*(moved(branch, one) for one in found)), path)
    return str(path)


@pytest.fixture
def job(github: Github, branch: Repository, monkeypatch: pytest.MonkeyPatch) -> Github:
    """A job's environment on the stand-in of GitHub."""
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.setenv("GITHUB_REPOSITORY", SHOP)
    monkeypatch.setenv("GITHUB_TOKEN", github.add_workflow_token())
    github.state.repository(SHOP).commits.add(sha(branch, 6))
    return github


def again(monkeypatch: pytest.MonkeyPatch, job: Github, permission: Permission = Permission.WRITE) -> None:
    """membudget takes the token out of the environment."""
    monkeypatch.setenv("GITHUB_TOKEN", job.add_workflow_token(permission))


def outcomes(branch: Repository) -> list[str]:
    """What the history has of searches, oldest commit first."""
    notes = [branch.git("notes", "--ref=membudget", "show", sha(branch, number)) for number in range(12)]
    lines = [line for note in notes for line in note.splitlines() if '"kind":"step"' in line]
    return [StepLine.model_validate_json(line, strict=True).outcome for line in lines]


def test_a_step_is_told_once_in_two_runs(
    branch: Repository, job: Github, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = told_file(branch, tmp_path, step(5, 6))
    for _ in range(2):
        assert run("--tell", "issue", "--from", path) == ExitCode.WITHIN_BUDGET
        again(monkeypatch, job)
    (issue,) = job.issues(SHOP)
    assert issue.title == f"api: peak RSS grew by 8.0 MiB with commit {sha(branch, 6)[:12]}"
    assert "`Commit 6`" in issue.body
    assert f"https://github.com/octo/shop/commit/{sha(branch, 6)}" in issue.body


def of_settled(one: StepReport) -> StepReport:
    """The same commit, for another metric."""
    allowed = {Metric.SETTLED_RSS: EffectiveBudget(tolerance=Tolerance(0.0, MIB))}
    report = one.report
    assert report is not None
    images = (replace(report.images[0], budgets=allowed),)
    return one.model_copy(update={"metric": Metric.SETTLED_RSS, "report": report.model_copy(update={"images": images})})


def test_a_commit_has_one_issue_for_all_metrics_of_an_image(
    branch: Repository, job: Github, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if another night proves another metric: what people read there stays."""
    peak, settled = step(5, 6), of_settled(step(5, 6))
    assert run("--tell", "issue", "--from", told_file(branch, tmp_path, peak)) == ExitCode.WITHIN_BUDGET
    again(monkeypatch, job)
    assert run("--tell", "issue", "--from", told_file(branch, tmp_path, settled)) == ExitCode.WITHIN_BUDGET
    (issue,) = job.issues(SHOP)
    assert "the peak RSS of `api` grew" in issue.body
    assert "the settled RSS of `api` grew" in issue.body
    body, requests = issue.body, len(job.requests)
    again(monkeypatch, job)
    assert run("--tell", "issue", "--from", told_file(branch, tmp_path, settled, peak)) == ExitCode.WITHIN_BUDGET
    assert issue.body == body
    assert {one.method for one in job.requests[requests:]} == {"GET"}


def test_what_came_of_each_step_is_kept(branch: Repository, job: Github, tmp_path: Path) -> None:
    assert run("--tell", "issue", "--from", told_file(branch, tmp_path, step(5, 6), unproven())) == 0
    assert sorted(outcomes(branch)) == ["confirmed", "not-confirmed"]
    assert suspicions(branch)[0].earlier is not None


def dated(since_s: float, until_s: float) -> list[list[ToldStep]]:
    """A told step, of which the commits have these times."""
    one = told(step())
    since, until = (
        replace(link, commit=replace(link.commit, time_s=round(time_s)))
        for link, time_s in ((one.since, since_s), (one.until, until_s))
    )
    return [[replace(one, since=since, until=until)]]


def test_issues_are_looked_for_from_the_day_before_the_oldest_commit_on() -> None:
    day, now = timedelta(days=1), datetime.now(UTC).replace(microsecond=0)
    ago = [(now - number * day).timestamp() for number in range(9)]
    assert _oldest([*dated(ago[5], ago[4]), *dated(ago[3], ago[2])]) == now - 6 * day
    assert _oldest(dated(ago[2], ago[7])) == now - 8 * day, "a rebase kept the older time"
    for since_s, until_s in [(ago[5], ago[0] + 86_400), (0, ago[1]), (-5e12, ago[1])]:
        assert _oldest(dated(since_s, until_s)) is None, "such a time says nothing"
    assert _oldest([]) is None


def test_a_comment_on_the_commit_is_another_way(branch: Repository, job: Github, tmp_path: Path) -> None:
    assert run("--tell", "commit", "--from", told_file(branch, tmp_path, step(5, 6))) == ExitCode.WITHIN_BUDGET
    (comment,) = job.commit_comments(SHOP)
    assert (comment.sha, job.issues(SHOP)) == (sha(branch, 6), [])


def test_a_step_that_could_not_be_told_is_told_by_the_next_run(
    branch: Repository,
    job: Github,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    again(monkeypatch, job, Permission.READ)
    path = told_file(branch, tmp_path, step(5, 6), unproven())
    assert run("--tell", "issue", "--from", path) == ExitCode.UNMEASURED
    assert "give the job `permissions: issues: write`" in capsys.readouterr().err
    assert outcomes(branch) == ["not-confirmed"]
    again(monkeypatch, job)
    assert run("--tell", "issue", "--from", path) == ExitCode.WITHIN_BUDGET
    assert len(job.issues(SHOP)) == 1


def measuring(branch: Repository, *, is_told_later: bool) -> _Run:
    """A run of `--confirm`, before its first comparison."""
    git = GitRepository(branch.folder)
    commits = main_commits(git, "HEAD")[::-1]
    return _Run(commits, GitHistory(git, DEFAULT_PLACE), MACHINE, _Clock(None), 1, [], is_told_later)


def wanted(branch: Repository) -> list[ListedStep]:
    return list(_wanted(suspicions(branch), MACHINE, is_again=False))


def test_a_step_that_was_measured_and_not_told_is_not_known(
    branch: Repository, job: Github, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both jobs may use the same clone, and `--confirm --push` pushes before anybody is told."""
    measuring(branch, is_told_later=True)._keep(moved(branch, step(5, 6)))
    again(monkeypatch, job, Permission.READ)
    path = told_file(branch, tmp_path, step(5, 6))
    assert run("--tell", "issue", "--from", path) == ExitCode.UNMEASURED
    (left,) = wanted(branch)
    suspect = measuring(branch, is_told_later=True)._suspect(left, is_again=False)
    assert [one.sha for one in suspect.commits] == [sha(branch, 5), sha(branch, 6)], "one comparison is enough"
    again(monkeypatch, job)
    assert run("--tell", "issue", "--from", path) == ExitCode.WITHIN_BUDGET
    assert wanted(branch) == []


def test_a_step_that_is_only_printed_is_known(branch: Repository) -> None:
    measuring(branch, is_told_later=False)._keep(moved(branch, step(5, 6)))
    assert wanted(branch) == []


@pytest.mark.parametrize("is_told_later", [True, False])
def test_two_suspicions_of_the_same_growth_are_measured_once(branch: Repository, is_told_later: bool) -> None:
    made = measuring(branch, is_told_later=is_told_later)
    (one,) = suspicions(branch)
    assert not made._is_confirmed(one.step)
    made._keep(moved(branch, step(5, 6)))
    assert made._is_confirmed(one.step)


def test_forged_figures_and_strange_commits_are_not_told(
    branch: Repository, job: Github, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = step(5, 6).model_copy(update={"report": comparison(5, 6, mib=0)})
    path = told_file(branch, tmp_path, forged, step(7, 6))
    assert run("--tell", "issue", "--from", path) == ExitCode.UNMEASURED
    said = capsys.readouterr().err
    assert "confirmed steps that were not told: 1" in said
    assert "the figures do not prove it" in said
    assert "its commits are not on the branch of HEAD" in said
    assert job.issues(SHOP) == []
    assert outcomes(branch) == []


def test_subjects_send_no_commands_to_the_runner(
    branch: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    branch.git("commit", "--quiet", "--allow-empty", "--message", "##[add-mask]x")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    one = step(5, 6).model_copy(update={"until": f"{12:040x}", "report": comparison(5, 12)})
    monkeypatch.setattr("tests.unit.cli.test_history_steps.sha", lambda _, n: branch.git("rev-parse", f"HEAD~{12 - n}"))
    assert run("--tell", "nothing", "--from", told_file(branch, tmp_path, one)) == ExitCode.WITHIN_BUDGET
    begin, _, rest = capsys.readouterr().out.partition("::stop-commands::")
    token, _, said = rest.partition("\n")
    quoted, _, end = said.partition(f"::{token}::")
    assert "##[add-mask]x" in quoted
    assert "##[" not in begin + end


def test_nothing_is_written_anywhere_when_only_printed(
    branch: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--tell", "nothing", "--from", told_file(branch, tmp_path, step(5, 6))) == ExitCode.WITHIN_BUDGET
    assert f"With commit {sha(branch, 6)[:12]} Commit 6, the peak RSS of api grew" in capsys.readouterr().out


def test_servers_without_comments_on_commits_say_so(
    branch: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "GITEA_ACTIONS": "true",
        "GITHUB_TOKEN": "x",
        "GITHUB_SERVER_URL": "http://localhost:1",
        "GITHUB_REPOSITORY": SHOP,
    }.items():
        monkeypatch.setenv(name, value)
    path = told_file(branch, tmp_path, step(5, 6))
    assert run("--tell", "commit", "--from", path) == ExitCode.CONFIGURATION
    assert "Gitea has no comments on commits that membudget can write" in capsys.readouterr().err


def test_a_suspected_step_has_a_range(branch: Repository) -> None:
    """The search needs commits of the branch on both sides."""
    (one,) = suspicions(branch)
    assert isinstance(one.step, SuspectedStep)
    assert one.step.search_from.sha != one.step.search_to.sha


def nightly() -> Any:
    """The documented workflow."""
    shown = [one.text for one in workflows_on("docs/history.md", (TOP / "docs/history.md").read_text())]
    (text,) = [one for one in shown if "name: memory steps" in one]
    return yaml.safe_load(text)


def test_the_commands_of_the_documented_workflow_exist() -> None:
    jobs = nightly()["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    given = [shlex.split(run)[1:] for run in runs if run.startswith("membudget ")]
    parsed = [make_parser().parse_args(arguments) for arguments in given]
    assert [(one.confirm, one.tell, one.time_budget) for one in parsed] == [
        (True, None, 1_800_000),
        (False, "issue", None),
    ]
    assert parsed[0].output == parsed[1].results


def test_the_job_that_measures_has_no_token_that_writes() -> None:
    made = nightly()
    assert made["permissions"] == {}
    assert made["jobs"]["measure"]["permissions"] == {"contents": "read"}
    assert "token" not in str(made["jobs"]["measure"]).lower()


def test_what_was_confirmed_is_told_although_another_step_failed() -> None:
    jobs = nightly()["jobs"]
    (upload,) = [step for step in jobs["measure"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always() && hashFiles('membudget-steps/steps.json') != ''"
    assert jobs["measure"]["outputs"]["steps"] == f"${{{{ steps.{upload['id']}.outputs.artifact-id }}}}"
    assert jobs["tell"]["if"] == "always() && needs.measure.outputs.steps != ''"
