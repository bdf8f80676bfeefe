"""The action under the real act, on the example's pull request, against the stand-in of GitHub."""

import re
from pathlib import Path

import pytest

import demo
from membudget.core.errors import ExitCode
from membudget.engine.connection import Engine
from membudget.publish.comment import CommentSettings
from membudget.publish.pull_request import WorkflowRun as MeasuringRun
from membudget.report.formats import past_runs
from tests.support.act import Runner, WorkflowRun, action_of_our_image
from tests.support.github_operations import Permission
from tests.support.github_server import WORKFLOW_USER, Github
from tests.support.leftovers import leftovers, since
from tests.support.repository import Repository

pytestmark = [
    pytest.mark.act, pytest.mark.engine, pytest.mark.timeout(1200), pytest.mark.usefixtures("one_localhost"),
]  # fmt: skip

SHOP = "octo/bookshop"
NUMBER = 7
RUN = 1
"""What act calls a run, and numbers it."""
NO_WRITE = "membudget: no comment was posted: the token may not write comments"

WORKFLOW = """
on: pull_request
permissions:
  contents: read
  pull-requests: write
jobs:
  budgets:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 2
      - id: budgets
        uses: ./.github/actions/membudget
        with:
          budgets: {budgets}
          report: {report}
      - if: always()
        env:
          OUTPUTS: ${{{{ toJSON(steps.budgets.outputs) }}}}
        run: |
          echo outputs $(echo "$OUTPUTS" | tr -d '\\n')
          test -s {report} && echo the report is there
"""
ALL_IMAGES = WORKFLOW.format(budgets="budgets.toml", report="report.json")
ONE_IMAGE = WORKFLOW.format(budgets="ci/importer.toml", report="out/importer.json")
ONE_IMAGE_BUDGETS = """
version = 1
[images.importer]
limit = "24MiB"
trials = 1
build = { context = "importer" }
"""


class Checkout:
    """The example's pull request as GitHub's checkout leaves it: detached at its merge into the base."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        demo.make_repository(folder / "repository")
        self.repository = Repository(folder / "repository")
        self._run_each_once()
        self.repository.commit(
            "Check memory budgets",
            {
                ".gitignore": "report.json\nout/\n",
                ".github/actions/membudget/action.yml": action_of_our_image(),
                ".github/workflows/all.yml": ALL_IMAGES,
                ".github/workflows/one.yml": ONE_IMAGE,
                "ci/importer.toml": ONE_IMAGE_BUDGETS,
            },
        )
        git = self.repository.git
        git("remote", "add", "origin", f"https://github.com/{SHOP}.git")
        self.base, self.head = git("rev-parse", "main"), git("rev-parse", "HEAD")
        git("checkout", "--quiet", "--detach", "main")
        git("merge", "--quiet", "--no-ff", "--message", "Merge more into main", self.head)
        pull_request = {"number": NUMBER, "base": {"sha": self.base, "ref": "main"}, "head": {"sha": self.head}}
        self._event = {"number": NUMBER, "pull_request": pull_request}

    def _run_each_once(self) -> None:
        """No verdict depends on how often an image ran. The README's test runs `make demo`, with the usual trials."""
        git, budgets = self.repository.git, self.repository.folder / "budgets.toml"
        git("checkout", "--quiet", "main")
        text = budgets.read_text()
        once = text.replace("[defaults]\n", "[defaults]\ntrials = 1\n")
        assert once != text
        self.repository.commit("One trial", {"budgets.toml": once})
        git("checkout", "--quiet", "more")
        git("rebase", "--quiet", "main")

    def run(self, workflow: str, github: Github, token: str) -> WorkflowRun:
        """Run one of its workflows."""
        runner = Runner(self._folder, github.url, token)
        return runner.run("pull_request", self._event, self.repository, f".github/workflows/{workflow}.yml")


@pytest.fixture
def checkout(engine: Engine, github: Github, tmp_path: Path) -> Checkout:
    """The pull request, also on the stand-in."""
    made = Checkout(tmp_path)
    github.add_pull_request(SHOP, NUMBER, made.head, made.base)
    return made


def test_the_action_fails_the_job_and_keeps_one_comment(engine: Engine, checkout: Checkout, github: Github) -> None:
    before = leftovers(engine, checkout.repository.folder)
    token = github.add_workflow_token()

    run = checkout.run("all", github, token)

    assert run.exit_code == 1
    assert f"exit with `FAILURE`: {ExitCode.OVER_BUDGET:d}" in run.log
    assert run.outputs() == {
        "inconclusive": "",
        "verdict": "fail",
        "report": "report.json",
        "verdict-catalog": "fail",
        "verdict-storefront": "fail",
        "verdict-importer": "fail",
        "verdict-sessions": "pass",
    }
    assert "the report is there" in run.said
    (comment,) = github.comments(SHOP, NUMBER)
    assert comment.author == WORKFLOW_USER
    told, recorded = opened(comment.body, checkout.head)
    assert_every_outcome_is_told(told)
    assert [(one.verdict, one.head) for one in recorded] == [("fail", checkout.head[:12])]
    assert without_link(told) == run.summary
    assert [remark.title for remark in run.annotations()[:3]] == [
        "catalog: over budget",
        "storefront: over budget",
        "importer: OOM-killed",
    ]
    named = {remark.file for remark in run.annotations()}
    of_profiles = {"catalog/server.py", "importer/importer.py"}  # a busy machine may have none
    assert named - of_profiles == {"budgets.toml", "storefront/Dockerfile"}
    assert f"membudget: comment created: {comment.html_url}" in run.said
    assert since(before, engine, checkout.repository.folder) == {}

    run = checkout.run("one", github, token)

    assert run.exit_code == 1
    assert run.outputs() == {
        "verdict": "fail", "inconclusive": "", "report": "out/importer.json", "verdict-importer": "fail",
    }  # fmt: skip
    (edited,) = github.comments(SHOP, NUMBER)
    assert edited.id == comment.id
    told, _ = opened(edited.body, checkout.head)
    assert told.startswith("### ❌ membudget: 1 of 1 image over budget; `importer` is OOM-killed")
    assert f"membudget: comment updated: {comment.html_url}" in run.said


def test_a_token_that_may_only_read_costs_the_comment_and_nothing_else(checkout: Checkout, github: Github) -> None:
    run = checkout.run("one", github, github.add_workflow_token(Permission.READ))

    assert run.exit_code == 1
    assert f"exit with `FAILURE`: {ExitCode.OVER_BUDGET:d}" in run.log
    assert [line for line in run.said if "comment" in line and line.startswith("membudget: ")] == [
        f"{NO_WRITE}: give the job `permissions: pull-requests: write` (a fork's token never may)"
    ]
    assert github.comments(SHOP, NUMBER) == []
    assert run.outputs()["verdict"] == "fail"
    assert run.summary.startswith("### ❌ membudget: 1 of 1 image over budget")
    (remark,) = run.annotations()
    assert (remark.title, remark.file, remark.line) == ("importer: OOM-killed", "ci/importer.toml", 4)


def assert_every_outcome_is_told(body: str) -> None:
    lines = body.splitlines()
    assert lines[0].startswith("### ❌ membudget: 3 of 4 images over budget; `importer` is OOM-killed at 24.0 MiB; ")
    explained = [line for line in lines if line.startswith(("**", "- `"))]
    killed, importer, over, catalog, storefront = explained[:5]
    assert killed.startswith("**💥 OOM-killed** → ")
    assert importer.startswith("- `importer`: the kernel killed 1 process at the limit of 24.0 MiB")
    assert over.startswith("**❌ over budget** → ")
    assert catalog.startswith("- `catalog`: peak RSS")
    assert storefront.startswith("- `storefront`: image size")
    assert body.count("```mermaid") == 4
    sessions = [line for line in lines if line.startswith(("| `sessions`", "| ✅ pass | `sessions`"))]
    assert len(sessions) >= 8  # its metrics, and its first phase; what is not measured here is no row
    assert not any("over" in line for line in sessions)


def opened(body: str, head: str) -> tuple[str, tuple[past_runs.PastRun, ...]]:
    """A comment without its two hidden lines, and the runs that the second one records."""
    marker, record, told = body.split("\n", 2)
    assert CommentSettings().written_by(marker) == MeasuringRun(RUN, RUN, 1, head)
    return told, past_runs.decode(record)


def without_link(comment: str) -> str:
    """The summary is on the page of the run, to which the comment links."""
    bare, count = re.subn(r" · \[run\]\(https://github\.com/octo/bookshop/actions/runs/1/attempts/1\)", "", comment)
    assert count == 1
    return bare
