"""The workflows of README and the docs, as they are pasted, under the real act.

Not run are the actions of others, which nothing here can fetch: act does what checkout would do, and small ones
stand for those that keep artifacts and caches. What act does not know is replaced: `cache-mode`, and the index of a job
in its matrix, which is always 0 there.
"""

import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from documented_workflows import workflows_of
from membudget.budgets.file import parse_budgets
from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.history.line import HistoryLine, SkippedLines, read_lines
from membudget.publish.comment import ANOTHER_IS_NEWER, CommentSettings
from membudget.publish.pull_request import WorkflowRun as MeasuringRun
from membudget.publish.report_file import write_report
from membudget.report.formats import past_runs
from membudget.report.report import RevisionReport
from tests.support.act import TOP, Runner, WorkflowRun, action_of_our_image
from tests.support.builders import image, report, side, trial
from tests.support.git_server import bare_repository, git_server
from tests.support.github_operations import Permission
from tests.support.github_server import WORKFLOW_USER, Github
from tests.support.github_state import Comment
from tests.support.repository import Repository

pytestmark = [
    pytest.mark.act, pytest.mark.engine, pytest.mark.timeout(600), pytest.mark.usefixtures("one_localhost"),
]  # fmt: skip

SHOP, FORK = "octo/shop", "stranger/shop"
NUMBER = 7
PAGES = ("README.md", "docs/fit.md", "docs/history.md", "docs/pull-requests.md")
SHOWN = [one.text for one in workflows_of(TOP, PAGES)]
LATER_BASE = "localhost:1/membudget-test-base:1"
"""Nothing can be pulled from there, and that is known at once."""
UPLOAD = """
name: Keep an artifact
inputs: {name: {required: true}, path: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {NAME: "${{ inputs.name }}", FILES: "${{ inputs.path }}"}
      run: |
        mkdir -p "/artifacts/$NAME"
        if [ -d "$FILES" ]; then cp -r "$FILES/." "/artifacts/$NAME"; else cp "$FILES" "/artifacts/$NAME"; fi
"""
DOWNLOAD = """
name: Fetch artifacts
inputs: {path: {required: true}, pattern: {default: "*"}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {INTO: "${{ inputs.path }}", PATTERN: "${{ inputs.pattern }}"}
      run: |
        mkdir -p "$INTO"
        cp -r /artifacts/$PATTERN "$INTO"
"""
RESTORE = """
name: Restore a cache
inputs: {path: {required: true}, key: {required: true}, restore-keys: {default: ""}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {INTO: "${{ inputs.path }}", KEY: "${{ inputs.key }}", PREFIX: "${{ inputs.restore-keys }}"}
      run: |
        mkdir -p /artifacts/caches && cd /artifacts/caches
        found=$(ls -d "$KEY" 2>/dev/null || ls -t | grep "^$PREFIX" | head -n 1 || true)
        cd "$GITHUB_WORKSPACE"
        echo "restored cache: ${found:-none}"
        if [ -n "$found" ]; then mkdir -p "$INTO" && cp -r "/artifacts/caches/$found/." "$INTO"; fi
"""
SAVE = """
name: Save a cache
inputs: {path: {required: true}, key: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {FOLDER: "${{ inputs.path }}", KEY: "${{ inputs.key }}"}
      run: |
        mkdir -p "/artifacts/caches/$KEY"
        cp -r "$FOLDER/." "/artifacts/caches/$KEY"
"""
BUDGETS = """
version = 1
[defaults]
limit = "16MiB"
trials = 1
budgets.image_size = { growth = { percent = 0.01, floor = "1KiB" } }
"""
IMAGE = """
[images.{name}]
build = {{ context = "{name}" }}
workload = {{ kind = "command", command = ["true"] }}
"""
DOCKERFILE = "FROM {base}\nCOPY data /data\n"


def shown(*parts: str) -> str:
    """The one documented workflow that has all of these in it."""
    (found,) = (text for text in SHOWN if all(part in text for part in parts))
    found = found.replace("${{ strategy.job-index }}", "${{ matrix.shard }}")
    return re.sub(r"^ *cache-mode: none\n", "", found, flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shop:
    """A pull request that makes an image larger, checked out as its merge, and who runs workflows for it."""

    repository: Repository
    folder: Path
    base: str
    head: str
    merge: str
    github: Github
    others: Mapping[str, Path] = field(default_factory=dict)

    def run(
        self,
        event: str,
        payload: Mapping[str, object],
        workflow: str,
        permission: Permission = Permission.WRITE,
        *,
        numbers: tuple[int, int] = (1, 1),
        server: str = "https://github.com",
    ) -> WorkflowRun:
        """Run a workflow, whose run has this number and attempt. `server` gets the job's token from git."""
        number, attempt = numbers
        (self.folder / "artifacts").mkdir(exist_ok=True)
        path = self.folder / "workflow.yml"
        path.write_text(workflow)
        env = {
            "GITHUB_RUN_ID": f"{4700 + number}",
            "GITHUB_RUN_NUMBER": f"{number}",
            "GITHUB_RUN_ATTEMPT": f"{attempt}",
            "GITHUB_SERVER_URL": server,
            "GITHUB_REPOSITORY": SHOP,
        }
        token = self.github.add_workflow_token(permission)
        runner = Runner(self.folder, self.github.url, token, self.others, self.folder / "artifacts")
        return runner.run(event, payload, self.repository, str(path), env)

    def pull_request(self, workflow: str, **how: object) -> WorkflowRun:
        """Run a workflow for the pull request."""
        base, head = {"sha": self.base, "ref": "main"}, {"sha": self.head}
        payload = {"number": NUMBER, "pull_request": {"number": NUMBER, "base": base, "head": head}}
        return self.run("pull_request", payload, workflow, **how)  # type: ignore[arg-type]

    def on_main(self, event: str, workflow: str, **how: object) -> WorkflowRun:
        """Run a workflow for the default branch as it was first pushed, which is the pull request's base."""
        self.repository.git("checkout", "--quiet", "main")
        ours = {"full_name": SHOP, "default_branch": "main", "fork": False}
        payload = {"ref": "refs/heads/main", "before": "0" * 40, "after": self.base, "repository": ours}
        ran = self.run(event, payload, workflow, **how)  # type: ignore[arg-type]
        self.repository.git("checkout", "--quiet", "--detach", self.merge)
        return ran

    def workflow_run(
        self, number: int, workflow: str, server: str = "https://github.com", **of_run: object
    ) -> WorkflowRun:
        """Run a workflow because a run of that number ended: the fork's, unless `of_run` says otherwise."""
        ended = {
            "id": 4700 + number,
            "run_number": number,
            "run_attempt": 1,
            "event": "pull_request",
            "conclusion": "failure",
            "head_sha": self.head,
            "head_branch": "more",
            "head_repository": {"full_name": FORK, "owner": {"login": FORK.partition("/")[0]}},
            **of_run,
        }
        ours = {"full_name": SHOP, "default_branch": "main", "fork": False}
        payload = {"action": "completed", "workflow_run": ended, "repository": ours}
        return self.run("workflow_run", payload, workflow, numbers=(90, 1), server=server)

    def artifact(self, name: str = "membudget-report") -> Path:
        """The files of an artifact that a run kept."""
        return self.folder / "artifacts" / name

    def keep(self, number: int, files: Mapping[str, bytes]) -> None:
        """What GitHub makes of the artifact of the run of that number."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        self.github.add_artifact(SHOP, 4700 + number, packed.getvalue())

    def comment(self) -> tuple[Comment, MeasuringRun | None, tuple[past_runs.PastRun, ...]]:
        """The one comment, the run that it says it is of, and the runs that it remembers."""
        (comment,) = self.github.comments(SHOP, NUMBER)
        assert comment.author == WORKFLOW_USER
        return comment, CommentSettings().written_by(comment.body), past_runs.decode(comment.body.split("\n")[1])


@pytest.fixture
def shop(engine: Engine, github: Github, tmp_path: Path) -> Shop:
    """Two images, of which the head makes one larger."""
    return make_shop(github, tmp_path, DOCKERFILE.format(base="debian:bookworm-slim"))


def make_shop(github: Github, folder: Path, head_dockerfile: str) -> Shop:
    """The pull request, also on the stand-in, as one of a fork."""
    repository = Repository.new(folder / "repository")
    git = repository.git
    files = {"budgets.toml": BUDGETS, ".gitignore": "report*\nparts/\nmembudget-report/\n"}
    for name in ("api", "jobs"):
        files["budgets.toml"] += IMAGE.format(name=name)
        files |= {f"{name}/Dockerfile": DOCKERFILE.format(base="debian:bookworm-slim"), f"{name}/data": name}
    base = repository.commit("Two images", files)
    git("remote", "add", "origin", f"https://github.com/{SHOP}.git")
    repository.branch("more")
    grown = {f"{name}/data": name * 100_000 for name in ("api", "jobs")}
    head = repository.commit("More data", {**grown, "api/Dockerfile": head_dockerfile})
    git("checkout", "--quiet", "--detach", "main")
    git("merge", "--quiet", "--no-ff", "--message", "Merge more into main", head)
    github.add_pull_request(SHOP, NUMBER, head, base, fork=FORK)
    return Shop(repository, folder, base, head, git("rev-parse", "HEAD"), github, others(folder))


def others(folder: Path) -> dict[str, Path]:
    """What workflows use of other repositories."""
    ours = Repository.new(folder / "membudget")
    called = {
        f".github/workflows/{name}.yml": (TOP / f".github/workflows/{name}.yml").read_text()
        for name in ("check", "report")
    }
    ours.commit("A release", {"action.yml": action_of_our_image(), **called})
    used = re.findall(r"uses: (membudget/membudget)[\w./-]*(@\S+)", "\n".join([*SHOWN, *called.values()]))
    found = {name + version: ours.folder for name, version in used}
    for name, action in (("upload", UPLOAD), ("download", DOWNLOAD)):
        stand_in = Repository.new(folder / name)
        stand_in.commit("A stand-in", {"action.yml": action})
        used = re.findall(rf"uses: (actions/{name}-artifact@\S+)", "\n".join([*SHOWN, *called.values()]))
        found |= dict.fromkeys(used, stand_in.folder)
    caches = Repository.new(folder / "caches")
    caches.commit("Stand-ins", {"restore/action.yml": RESTORE, "save/action.yml": SAVE})
    used = re.findall(r"uses: actions/cache/(?:restore|save)(@\S+)", "\n".join(SHOWN))
    return found | {f"actions/cache{version}": caches.folder for version in used}


def test_a_fork_is_measured_with_no_right_and_the_reporter_comments(shop: Shop) -> None:
    measured = shop.pull_request(shown("check.yml@"), permission=Permission.READ, numbers=(3, 1))

    assert measured.exit_code == 1
    assert f"exit with `FAILURE`: {ExitCode.OVER_BUDGET:d}" in measured.log
    assert {remark.title for remark in measured.annotations()} >= {"api: over budget", "jobs: over budget"}
    assert shop.github.requests == [], "who runs strangers' code asks the server for nothing"
    kept = {path.name: path.read_bytes() for path in shop.artifact().iterdir()}
    assert set(kept) == {"report.json", "report.html"}

    shop.keep(3, kept)
    reported = shop.workflow_run(3, shown("report.yml@", "status: status"))

    assert reported.exit_code == 0
    assert "checkout" not in reported.log
    assert reported.annotations() == [], "they would stand at a commit of the default branch"
    comment, written_by, _ = shop.comment()
    assert written_by == MeasuringRun(4703, 3, 1, shop.head)
    assert "### ❌ membudget: 2 of 2 images over budget" in comment.body
    (status,) = shop.github.statuses(SHOP, shop.head)
    assert (status.state, status.context) == ("failure", "membudget")


def test_of_two_workflows_the_second_keeps_the_figures_of_a_push(shop: Shop) -> None:
    """The first one has no right to write. `record-history` is the line of docs/history.md."""
    reporting = shown("report.yml@", "# the comment")
    found = report(*(image(name, base=None, head=side(trial(40))) for name in ("api", "jobs")))
    pushed = found.comparison.model_copy(update={"head": RevisionReport(sha=shop.base, subject="Two images")})
    write_report(found.model_copy(update={"comparison": pushed}), shop.folder / "report.json")
    shop.keep(1, {"report.json": (shop.folder / "report.json").read_bytes()})
    origin = bare_repository(shop.folder / "server" / "shop.git")
    with git_server(origin.parent) as server:
        shop.repository.git("remote", "set-url", "origin", f"{server}/shop.git")
        run = {
            "event": "push", "conclusion": "success", "head_sha": shop.base, "head_branch": "main",
            "head_repository": {"full_name": SHOP, "owner": {"login": SHOP.partition("/")[0]}},
        }  # fmt: skip
        reported = shop.workflow_run(1, with_input(reporting, "record-history: true"), server=server, **run)

    assert reported.exit_code == 0, reported.log
    lines = kept_of(origin, shop.base)
    assert {(line.image, line.metric) for line in lines} >= {(name, Metric.PEAK_RSS) for name in ("api", "jobs")}


def test_nothing_is_posted_of_a_report_that_is_none(shop: Shop) -> None:
    shop.keep(4, {"report.json": b'{"verdict": "pass", "comment": "@octocat"}'})

    reported = shop.workflow_run(4, shown("report.yml@", "# the comment"))

    assert reported.exit_code == 1
    assert f"exit with `FAILURE`: {ExitCode.CONFIGURATION:d}" in reported.log
    assert "octocat" not in reported.log
    assert [one.method for one in shop.github.requests if one.method != "GET"] == []


def test_a_merge_queue_gets_a_status_and_no_comment(shop: Shop) -> None:
    shop.github.state.repository(SHOP).commits.add(shop.merge)
    group = {"base_sha": shop.base, "head_sha": shop.merge, "base_ref": "refs/heads/main"}

    run = shop.run("merge_group", {"action": "checks_requested", "merge_group": group}, shown("merge_group:"))

    assert run.exit_code == 1
    assert [one.state for one in shop.github.statuses(SHOP, shop.merge)] == ["failure", "pending"]
    assert shop.github.statuses(SHOP, shop.head) == []
    assert "membudget: no comment was posted: this run is not for a pull request" in run.said
    assert {one.path for one in shop.github.requests} == {f"/repos/{SHOP}/statuses/{shop.merge}"}


@pytest.fixture
def base_that_comes_later(engine: Engine) -> Iterator[str]:
    """An image that a registry does not give yet."""
    yield LATER_BASE
    if engine.client.images.list(LATER_BASE):
        engine.client.images.remove(LATER_BASE)


def test_a_rerun_updates_the_comment_and_an_older_attempt_does_not(
    engine: Engine, github: Github, tmp_path: Path, base_that_comes_later: str
) -> None:
    shop = make_shop(github, tmp_path, DOCKERFILE.format(base=base_that_comes_later))
    workflow = shown("pull-requests: write # for the comment")

    first = shop.pull_request(workflow, numbers=(5, 1))

    assert first.exit_code == 1
    created, written_by, _ = shop.comment()
    assert written_by == MeasuringRun(4705, 5, 1, shop.head)
    told_first = created.body
    assert "build failed" in told_first

    engine.client.images.get("debian:bookworm-slim").tag(base_that_comes_later)
    shop.pull_request(workflow, numbers=(5, 2))

    updated, written_by, runs = shop.comment()
    assert updated.id == created.id
    assert written_by == MeasuringRun(4705, 5, 2, shop.head)
    assert "build failed" not in updated.body.split("<details>", maxsplit=1)[0].split("\n", 2)[2]
    assert [(one.number, one.attempt) for one in runs] == [(5, 2), (5, 1)]
    told_second = updated.body

    late = shop.pull_request(workflow, numbers=(4, 1))

    assert f"membudget: no comment was posted: {ANOTHER_IS_NEWER}" in late.said
    assert shop.comment()[0].body == told_second


def test_a_matrix_comes_to_one_comment(shop: Shop) -> None:
    run = shop.pull_request(shown("command: plan\n"))

    assert run.exit_code == 1
    assert images_of(shop.folder / "artifacts") == [["api"], ["jobs"]]
    comment, written_by, runs = shop.comment()
    assert "### ❌ membudget: 2 of 2 images over budget" in comment.body
    assert written_by == MeasuringRun(4701, 1, 1, shop.head)
    assert len(runs) == 1, "no part posts"


def test_a_matrix_of_a_fork_leaves_one_report_and_posts_nothing(shop: Shop) -> None:
    run = shop.pull_request(shown("command: merge", 'comment: "off"'), permission=Permission.READ)

    assert run.exit_code == 1
    assert images_of(shop.artifact()) == [["api", "jobs"]]
    assert {remark.title for remark in run.annotations()} >= {"api: over budget", "jobs: over budget"}
    assert "membudget: no comment was posted: comments are off" in run.said
    assert shop.github.requests == []


def test_the_cache_is_saved_by_pushes_and_used_by_pull_requests(shop: Shop) -> None:
    """The push also records its figures. A nightly job then finds nothing to measure."""
    workflow = shown("actions/cache/restore", "actions/cache/save")
    saved = shop.folder / "artifacts" / "caches"
    origin = bare_repository(shop.folder / "server" / "shop.git")

    with git_server(origin.parent) as server:
        shop.repository.git("remote", "set-url", "origin", f"{server}/shop.git")
        pushed = shop.on_main("push", recording(workflow), server=server)
        nightly = shop.on_main("schedule", shown("command: backfill"), server=server, numbers=(4, 1))
        shop.repository.git("remote", "set-url", "origin", f"https://github.com/{SHOP}.git")

    assert pushed.exit_code == 0
    lines = kept_of(origin, shop.base)
    assert {(line.image, line.metric) for line in lines} >= {(name, Metric.PEAK_RSS) for name in ("api", "jobs")}
    assert all(line.took_ms is not None for line in lines)
    assert nightly.exit_code == 0
    assert "0 of 0 stale images were measured" in nightly.said
    assert "restored cache: none" in pushed.said
    assert [path.name for path in saved.iterdir()] == [f"membudget-{shop.base}"]
    kept = contents_of(saved)
    assert sum(name.startswith(f"membudget-{shop.base}/results/") for name in kept) == 2, "both images"

    checked = shop.pull_request(workflow, numbers=(2, 1))

    assert checked.exit_code == 1
    assert f"restored cache: membudget-{shop.base}" in checked.said
    confirmed = [line for line in checked.said if "trial to confirm cached results" in line]
    assert {line.split(":")[0].split()[-1] for line in confirmed} == {"api", "jobs"}
    assert all(" base, " in line for line in confirmed)
    assert contents_of(saved) == kept, "a pull request saves nothing"
    assert "### ❌ membudget: 2 of 2 images over budget" in shop.comment()[0].body


def test_fits_of_a_matrix_come_to_one_proposal(shop: Shop) -> None:
    use = 'workload = { kind = "command", command = ["sh", "-c", "head -c 30m /dev/zero | tail -c 30m"] }'
    budgets = (shop.folder / "repository/budgets.toml").read_text()
    budgets = budgets.replace('workload = { kind = "command", command = ["true"] }', use)
    shop.repository.commit("Images that need memory", {"budgets.toml": budgets.replace("16MiB", "64MiB")})
    workflow = shown("command: plan-fit").replace("command: fit\n", "command: fit\n          confirm: 2\n")
    proposing = "if git diff --quiet; then exit; fi\n"
    assert workflow.count(proposing) == 1
    workflow = workflow.partition(proposing)[0] + "cp budgets.toml /artifacts/\n"  # no server takes the branch

    run = shop.run("workflow_dispatch", {}, workflow)

    assert run.exit_code == 0, run.log
    fits = [json.loads(path.read_bytes()) for path in sorted((shop.folder / "artifacts").rglob("report.json"))]
    assert [[image["name"] for image in fit["images"]] for fit in fits] == [["api"], ["jobs"]]
    written = parse_budgets((shop.folder / "artifacts/budgets.toml").read_text(), "budgets.toml").images
    for one in written.values():
        assert one.fit.survives is not None
        assert 30 * MIB < one.fit.survives <= one.limit_bytes
    assert shop.github.requests == []


def with_input(workflow: str, line: str) -> str:
    """The workflow with one more input for the workflow of membudget that its last job calls."""
    called = re.sub(
        r"(\n    uses: membudget/[^\n]*report\.yml@[^\n]*)(\n    with:)?", rf"\1\n    with:\n      {line}", workflow
    )
    assert called != workflow
    return called


def recording(workflow: str) -> str:
    """The workflow with the lines of docs/history.md that record the figures of a push."""
    cache = "          MEMBUDGET_CACHE_DIR: .membudget-cache\n"
    assert workflow.count(cache) == 1
    return workflow.replace(cache, f'{cache}        with:\n          record-history: "true"\n')


def kept_of(origin: Path, commit: str) -> list[HistoryLine]:
    """What the notes of a server have about a commit."""
    show = ["git", "-C", str(origin), "cat-file", "blob", f"refs/notes/membudget:{commit}"]
    data = subprocess.run(show, capture_output=True, check=True).stdout
    skipped = SkippedLines()
    lines = read_lines(commit, data, datetime.now(UTC), skipped)
    assert skipped.all() == ()
    return lines


def contents_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def images_of(folder: Path) -> list[list[str]]:
    """The images of each report below a folder."""
    reports = [json.loads(path.read_bytes()) for path in sorted(folder.rglob("report.json"))]
    return [[image["name"] for image in report["images"]] for report in reports]
