"""The whole of publishing against the stand-in of GitHub: what a commit is said to be, and in how many requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.lines import key_lines
from membudget.cli.publisher import Addressee, Publisher, PublishSettings, lines_of
from membudget.core.errors import EnvironmentFault, Interrupted
from membudget.judge.measurement import Failure, FailureStage
from membudget.judge.whole import ExitPolicy
from membudget.publish.comment import CommentMode, CommentSettings, ServerCommenter
from membudget.publish.commit_state import StatusMode
from membudget.publish.pull_request import PullRequest, WorkflowRun
from membudget.publish.servers.github_server import GithubServer
from membudget.publish.servers.http_api import HttpApi
from membudget.report.formats import past_runs
from membudget.report.report import Report
from tests.support.builders import budgets, image, report, side, trial
from tests.support.github_operations import Permission
from tests.support.github_server import Github, running_github
from tests.support.github_state import CheckRun
from tests.support.manifests import checked, containers, reported
from tests.support.workflow_step import HEAD, MERGE_GROUP, QUEUE_HEAD, SHOP, StepOfWorkflow

FINE = report(image("fine", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=50)))
OVER = report(image("over", base=side(trial(40)), head=side(trial(60)), allowed=budgets(max_rss=50)))
NOISY = report(image("noisy", head=side(trial(60), trial(70), trial(71)), allowed=budgets(max_rss=64)))
UNBUILT = report(
    image("unbuilt", base=side(trial(40)), head=side(size=None, failure=Failure(FailureStage.BUILD, "exit code 1")))
)
STATUS = PublishSettings(CommentSettings(mode=CommentMode.ALWAYS), StatusMode.STATUS)
CHECK = PublishSettings(CommentSettings(mode=CommentMode.ALWAYS), StatusMode.CHECK)
NO_VERDICT = "membudget ended without a verdict: see the job's log"


@pytest.fixture
def shop(github: Github) -> Github:
    """A pull request, and the commit that a merge queue made of it."""
    github.add_pull_request(SHOP, 7, HEAD)
    github.state.repository(SHOP).commits.add(QUEUE_HEAD)
    return github


@pytest.fixture
def step(shop: Github, tmp_path: Path) -> StepOfWorkflow:
    """A step with the workflow's token."""
    return StepOfWorkflow(tmp_path, shop.url, shop.add_workflow_token())


def publish(publisher: Publisher, of: Report, budgets_file: str | None = None) -> None:
    """A whole check of which `of` comes."""
    with publisher.measuring():
        publisher.publish(
            of.judged(), Path("report.json"), key_lines(budgets_file, "budgets.toml") if budgets_file else None
        )


def statuses(shop: Github, sha: str = HEAD) -> list[tuple[str, str, str | None]]:
    """The oldest first."""
    return [(one.context, one.state, one.description) for one in reversed(shop.statuses(SHOP, sha))]


def check_run(shop: Github) -> CheckRun:
    (found,) = shop.check_runs(SHOP)
    return found


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("of", "state"), [(FINE, "success"), (OVER, "failure"), (UNBUILT, "error")], ids=["fine", "over", "unbuilt"]
)
def test_a_status_is_pending_and_then_the_verdict(shop: Github, step: StepOfWorkflow, of: Report, state: str) -> None:
    publish(step.publisher(STATUS), of)
    begun, ended = statuses(shop)
    assert begun == ("membudget", "pending", "measuring")
    assert ended[:2] == ("membudget", state)
    assert shop.statuses(SHOP, HEAD)[0].target_url == "https://github.com/octo/shop/actions/runs/4701/attempts/1"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("of", "conclusion"), [(FINE, "success"), (OVER, "failure"), (UNBUILT, "failure")], ids=["fine", "over", "unbuilt"]
)
def test_a_check_run_is_in_progress_and_then_the_whole_report(
    shop: Github, step: StepOfWorkflow, of: Report, conclusion: str
) -> None:
    publisher = step.publisher(CHECK)
    with publisher.measuring():
        begun = check_run(shop)
        assert (begun.status, begun.conclusion, begun.head_sha) == ("in_progress", None, HEAD)
        publisher.publish(of.judged(), Path("report.json"))
    ended = check_run(shop)
    assert ended.id == begun.id
    assert (ended.status, ended.conclusion) == ("completed", conclusion)
    assert ended.details_url == "https://github.com/octo/shop/actions/runs/4701/attempts/1"
    assert ended.output["summary"].startswith("### ")
    assert ended.output["title"] in ended.output["summary"].replace("`", "")


@pytest.mark.thorough
def test_an_answer_that_is_open_passes_where_the_settings_say_so(shop: Github, step: StepOfWorkflow) -> None:
    lenient = PublishSettings(CommentSettings(), StatusMode.CHECK, ExitPolicy(allows_inconclusive=True))
    publish(step.publisher(lenient), NOISY)
    assert check_run(shop).conclusion == "success"


@pytest.mark.thorough
def test_what_was_not_measured_passes_nowhere(shop: Github, step: StepOfWorkflow) -> None:
    lenient = PublishSettings(CommentSettings(), StatusMode.CHECK, ExitPolicy(allows_inconclusive=True))
    publish(step.publisher(lenient), UNBUILT)
    assert check_run(shop).conclusion == "failure"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "failure",
    [
        EnvironmentFault("the engine went away"),
        RuntimeError("a bug"),
        Interrupted(),
        KeyboardInterrupt(),
        SystemExit(1),
    ],
)
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
def test_what_ends_without_a_verdict_is_not_pending_for_ever(
    shop: Github, step: StepOfWorkflow, settings: PublishSettings, failure: BaseException
) -> None:
    with pytest.raises(type(failure)), step.publisher(settings).measuring():
        raise failure
    if settings is STATUS:
        assert statuses(shop)[-1] == ("membudget", "error", NO_VERDICT)
    else:
        ended = check_run(shop)
        assert (ended.status, ended.conclusion, ended.output["title"]) == ("completed", "failure", NO_VERDICT)
    assert shop.comments(SHOP, 7) == []


@pytest.mark.thorough
def test_an_interruption_while_it_is_told_that_measuring_begins_leaves_nothing_pending(
    shop: Github, step: StepOfWorkflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has set the status and stumbles; while we wait to ask again, the run is cancelled."""

    def interrupted(_: float) -> None:
        raise Interrupted

    monkeypatch.setattr(HttpApi.__init__, "__defaults__", (interrupted,))
    shop.fail_next(502, method="POST", too_late=True)
    with pytest.raises(Interrupted), step.publisher(STATUS).measuring():
        pytest.fail("measured")
    assert [state for _, state, _ in statuses(shop)] == ["pending", "error"]


@pytest.mark.thorough
def test_the_history_of_a_comment_that_somebody_else_wrote_is_not_read(shop: Github, step: StepOfWorkflow) -> None:
    publish(step.publisher(STATUS, number=1), OVER)
    publish(step.publisher(STATUS, number=2), FINE)
    (ours,) = shop.comments(SHOP, 7)
    assert len(past_runs.decode(ours.body.split("\n")[1])) == 2
    ours.author = "mallory"
    publish(step.publisher(STATUS, number=3), OVER)
    forged, fresh = shop.comments(SHOP, 7)
    assert (forged.body, fresh.author) == (ours.body, "github-actions[bot]")
    assert [run.number for run in past_runs.decode(fresh.body.split("\n")[1])] == [3]


@pytest.mark.thorough
def test_a_verdict_that_was_told_stays_when_something_breaks_afterwards(shop: Github, step: StepOfWorkflow) -> None:
    publisher = step.publisher(STATUS)
    with pytest.raises(KeyboardInterrupt):
        interrupted_after(publisher, FINE)
    assert statuses(shop)[-1][1] == "success"


@pytest.mark.thorough
def test_an_interruption_of_the_comment_does_not_replace_the_verdict(
    shop: Github, step: StepOfWorkflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(*_: object) -> None:
        raise Interrupted

    monkeypatch.setattr(ServerCommenter, "post", post)
    with pytest.raises(Interrupted):
        publish(step.publisher(STATUS), FINE)
    assert [state for _, state, _ in statuses(shop)] == ["pending", "success"]


@pytest.mark.thorough
def test_a_comment_is_said_to_be_created_updated_or_current(
    shop: Github, step: StepOfWorkflow, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, of in enumerate((OVER, FINE, FINE), start=1):
        publish(step.publisher(STATUS, number=number), of)
    url = shop.comments(SHOP, 7)[0].html_url
    assert said_of("comment", capsys) == [
        f"membudget: comment {done}: {url}" for done in ("created", "updated", "is current")
    ]


def interrupted_after(publisher: Publisher, of: Report) -> None:
    with publisher.measuring():
        publisher.publish(of.judged(), Path("report.json"))
        raise KeyboardInterrupt


@pytest.mark.thorough
def test_a_re_run_begins_a_check_run_of_its_own(shop: Github, step: StepOfWorkflow) -> None:
    publish(step.publisher(CHECK), OVER)
    publish(step.publisher(CHECK, attempt=2), FINE)
    first, second = shop.check_runs(SHOP)
    assert (first.name, first.conclusion) == ("membudget", "failure")
    assert (second.name, second.conclusion) == ("membudget", "success")
    assert second.details_url == "https://github.com/octo/shop/actions/runs/4701/attempts/2"
    assert len(shop.comments(SHOP, 7)) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
def test_in_a_merge_queue_the_queues_commit_is_told_of_and_nothing_is_commented(
    shop: Github, step: StepOfWorkflow, settings: PublishSettings
) -> None:
    publish(step.publisher(settings, MERGE_GROUP), OVER)
    if settings is STATUS:
        assert [state for _, state, _ in statuses(shop, QUEUE_HEAD)] == ["pending", "failure"]
        assert statuses(shop) == []
    else:
        assert check_run(shop).head_sha == QUEUE_HEAD
    assert shop.comments(SHOP, 7) == []


@pytest.mark.thorough
def test_workflows_with_different_keys_have_states_of_their_own(shop: Github, step: StepOfWorkflow) -> None:
    for key in ("default", "nightly"):
        publish(step.publisher(PublishSettings(CommentSettings(key), StatusMode.STATUS)), FINE)
    assert [context for context, _, _ in statuses(shop)] == ["membudget"] * 2 + ["membudget/nightly"] * 2


@pytest.mark.thorough
def test_the_reporter_tells_of_the_commit_and_the_run_that_measured(shop: Github, step: StepOfWorkflow) -> None:
    environ = step.environ(MERGE_GROUP)
    measured = WorkflowRun(99, 12, 3, HEAD)
    subject = Addressee(PullRequest(SHOP, 7), measured, measured_elsewhere=True)
    publisher = Publisher(GithubServer(environ, SecretStr(step.token)), CHECK, subject, environ)
    publisher.publish(OVER.judged(), Path("report.json"), key_lines("[images.over]\n", "budgets.toml"))
    told = check_run(shop)
    assert (told.head_sha, told.status, told.conclusion) == (HEAD, "completed", "failure")
    assert told.details_url == "https://github.com/octo/shop/actions/runs/99/attempts/3"
    assert [one["path"] for one in told.annotations] == ["budgets.toml"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (STATUS, "commit statuses: give the job `permissions: statuses: write` (a fork's token never may)"),
        (CHECK, "check runs: give the job `permissions: checks: write` (a fork's token never may)"),
    ],
    ids=["status", "check"],
)
def test_a_forks_token_costs_the_status_and_says_once_what_would_help(
    shop: Github, tmp_path: Path, settings: PublishSettings, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    step = StepOfWorkflow(tmp_path, shop.url, shop.add_workflow_token(Permission.READ))
    publish(step.publisher(settings), OVER)
    assert said_of("no commit status", capsys) == [
        f"membudget: no commit status was posted: the token may not write {said}"
    ]
    assert (tmp_path / "summary.md").read_text().startswith("### ❌")


@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
def test_without_a_token_or_a_commit_it_is_said_that_there_is_no_status(
    shop: Github, tmp_path: Path, settings: PublishSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(StepOfWorkflow(tmp_path, shop.url, "").publisher(settings), OVER)
    assert said_of("no commit status", capsys) == ["membudget: no commit status was posted: there is no token"]
    scheduled = StepOfWorkflow(tmp_path, shop.url, shop.add_workflow_token()).publisher(
        settings, {"schedule": "0 4 * * *"}
    )
    publish(scheduled, OVER)
    assert said_of("no commit status", capsys) == [
        "membudget: no commit status was posted: this run's event names no commit"
    ]


@pytest.mark.thorough
def test_a_persons_token_cannot_have_check_runs(
    shop: Github, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(StepOfWorkflow(tmp_path, shop.url, shop.add_token("ann")).publisher(CHECK), OVER)
    assert said_of("no commit status", capsys) == [
        "membudget: no commit status was posted: GitHub answered 403: You must authenticate via a GitHub App."
    ]


def said_of(what: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if what in line]


@pytest.mark.thorough
def test_a_commit_that_the_server_does_not_know(
    shop: Github, step: StepOfWorkflow, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {"pull_request": {"number": 7, "base": {"sha": "a" * 40}, "head": {"sha": "d" * 40}}}
    publish(step.publisher(STATUS, gone), FINE)
    assert said_of("no commit status", capsys) == [
        f"membudget: no commit status was posted: GitHub answered 422: No commit found for SHA: {'d' * 40}"
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("too_late", [False, True])
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
def test_a_server_that_stumbles_gets_the_verdict_all_the_same(
    shop: Github, step: StepOfWorkflow, settings: PublishSettings, too_late: bool
) -> None:
    publisher = step.publisher(settings)
    with publisher.measuring():
        shop.fail_next(502, method="POST" if settings is STATUS else "PATCH", too_late=too_late)
        publisher.publish(FINE.judged(), Path("report.json"))
    if settings is STATUS:
        assert statuses(shop)[-1][1] == "success"
    else:
        assert check_run(shop).conclusion == "success"


@pytest.mark.thorough
def test_a_check_run_whose_beginning_failed_is_created_complete(shop: Github, step: StepOfWorkflow) -> None:
    shop.fail_next(502, method="POST")
    publish(step.publisher(CHECK), FINE)
    assert (check_run(shop).status, check_run(shop).conclusion) == ("completed", "success")


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
@pytest.mark.parametrize("status", [200, 201, 403, 502])
@pytest.mark.parametrize("told", ["beginning", "verdict"])
def test_a_state_that_is_there_though_a_proxy_answered_is_told_as_that(
    shop: Github,
    step: StepOfWorkflow,
    capsys: pytest.CaptureFixture[str],
    *,
    settings: PublishSettings,
    status: int,
    told: str,
) -> None:
    publisher = step.publisher(settings)
    method = "PATCH" if settings is CHECK and told == "verdict" else "POST"
    times = 4 if status == 502 and settings is STATUS else 1
    if told == "beginning":
        shop.fail_next(status, raw=b"<html>", method=method, too_late=True, times=times)
    with publisher.measuring():
        if told == "verdict":
            shop.fail_next(status, raw=b"<html>", method=method, too_late=True, times=times)
        publisher.publish(FINE.judged(), Path("report.json"))
    assert said_of("commit status", capsys) == []
    if settings is CHECK:
        assert (check_run(shop).status, check_run(shop).conclusion) == ("completed", "success")
    else:
        assert statuses(shop)[-1][1] == "success"


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
def test_a_state_that_is_not_there_is_told_as_that(
    shop: Github, step: StepOfWorkflow, capsys: pytest.CaptureFixture[str], settings: PublishSettings
) -> None:
    shop.fail_next(403, raw=b"<html>", method="POST")
    with step.publisher(settings).measuring():
        pass
    assert said_of("commit status", capsys) == ["membudget: no commit status was posted: GitHub answered 403"]
    assert [request.method for request in shop.requests] == ["POST", "GET"]


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
def test_a_state_that_nobody_could_look_at_is_not_told_as_known(
    shop: Github, step: StepOfWorkflow, capsys: pytest.CaptureFixture[str], settings: PublishSettings
) -> None:
    shop.fail_next(200, raw=b"<html>", times=2)
    with step.publisher(settings).measuring():
        pass
    (said,) = said_of("commit status", capsys)
    assert said == (
        "membudget: a commit status may have been posted, but membudget could not check:"
        " the answer does not come from GitHub's API: check GITHUB_API_URL"
    )


MANY = report(
    *(
        image(f"image{number:03d}", base=side(trial(40)), head=side(trial(60)), allowed=budgets(max_rss=50))
        for number in range(63)
    )
)
MANY_LINES = "\n".join(f"[images.{image.name}]\nbudgets.peak_rss.max = '50MiB'" for image in MANY.images)


@pytest.mark.thorough
def test_annotations_stand_at_their_lines_as_many_as_a_request_may_have(shop: Github, step: StepOfWorkflow) -> None:
    publish(step.publisher(CHECK), MANY, MANY_LINES)
    told = check_run(shop)
    assert [(one["path"], one["start_line"], one["end_line"]) for one in told.annotations] == [
        ("budgets.toml", 2 * number, 2 * number) for number in range(1, 51)
    ]
    assert told.annotations[0]["annotation_level"] == "failure"
    assert told.annotations[0]["title"] == "image000: over budget"
    assert told.output["text"] == (
        "Only the 50 most severe of 63 annotations are shown at their lines. The report above lists all of them."
    )
    assert all(f"`{image.name}`" in told.output["summary"] for image in MANY.images)


@pytest.mark.thorough
def test_without_lines_there_are_no_annotations_and_the_report_is_there(shop: Github, step: StepOfWorkflow) -> None:
    publish(step.publisher(CHECK), OVER)
    told = check_run(shop)
    assert told.annotations == []
    assert "text" not in told.output


@pytest.mark.thorough
def test_a_long_report_is_cut_to_what_a_check_run_takes(shop: Github, step: StepOfWorkflow) -> None:
    many = [image(f"image{number}", base=side(trial(40)), head=side(trial(60))) for number in range(MOST_IMAGES)]
    over = report(*(image(one.name, base=one.base, head=one.head, allowed=budgets(max_rss=50)) for one in many))
    publish(step.publisher(CHECK), over)
    assert 30_000 < len(check_run(shop).output["summary"].encode()) <= 65_535


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("budgets.toml", "budgets.toml"),
        ("./budgets.toml", "budgets.toml"),
        ("ci/../budgets.toml", "budgets.toml"),
        ("../budgets.toml", None),
        ("gone.toml", None),
        ("binary.toml", None),
    ],
)
def test_lines_are_of_a_file_by_its_path_in_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, path: str | None
) -> None:
    """Or GitHub shows the annotation at no file."""
    repository = tmp_path / "repository"
    (repository / "ci").mkdir(parents=True)
    monkeypatch.chdir(repository)
    for folder in (tmp_path, repository):
        (folder / "budgets.toml").write_text("[images.api]\n")
    (repository / "binary.toml").write_bytes(b"\xff")
    found = lines_of(given)
    assert (found.path if found is not None else None) == path
    assert lines_of(str(repository / "budgets.toml")) is None


@pytest.fixture(params=[0, 99, 100, 101])
def others(request: pytest.FixtureRequest, shop: Github) -> int:
    """So many comments of others are there."""
    count: int = request.param
    for number in range(count):
        shop.add_comment(SHOP, 7, "bob", f"remark {number}")
    return count


@pytest.mark.thorough
@pytest.mark.parametrize("mode", [StatusMode.NONE, StatusMode.STATUS, StatusMode.CHECK])
@pytest.mark.parametrize("kind", ["create", "edit", "unchanged", "older", "nothing to say"])
def test_it_takes_five_requests_and_one_more_for_each_further_hundred_comments(
    shop: Github, step: StepOfWorkflow, others: int, kind: str, mode: StatusMode
) -> None:
    settings = PublishSettings(CommentSettings(mode=CommentMode.ALWAYS), mode)
    if kind not in ("create", "nothing to say"):
        publish(step.publisher(settings, number=5), OVER)
    if kind == "nothing to say":
        settings = PublishSettings(CommentSettings(mode=CommentMode.CHANGES), mode)
    shop.requests.clear()
    publish(step.publisher(settings, number=4 if kind == "older" else 6), OVER if kind == "unchanged" else FINE)
    assert len(shop.requests) <= 5 + max(0, -(-others // 100) - 1), shop.requests


@pytest.mark.thorough
@pytest.mark.parametrize("bar", [(100, 5), (200, 6), (1000, 14)])
@pytest.mark.parametrize("edits", [False, True], ids=["create", "edit"])
@pytest.mark.parametrize("who", ["workflow", "person", "app"])
def test_the_bar_of_requests_for_every_kind_of_token(
    shop: Github, step: StepOfWorkflow, who: str, edits: bool, bar: tuple[int, int]
) -> None:
    """With the state of the commit told as well. The figures of docs/pull-requests.md."""
    comments, most = bar
    if who != "workflow":
        step.token = shop.add_token("ann") if who == "person" else shop.add_app_token("sizes")
    settings = STATUS if who == "person" else CHECK
    if edits:
        publish(step.publisher(settings, number=5), OVER)
    for number in range(comments - len(shop.comments(SHOP, 7))):
        shop.add_comment(SHOP, 7, "bob", f"remark {number}")
    shop.requests.clear()
    publish(step.publisher(settings, number=6), FINE)
    assert len(shop.requests) == most - (edits and who == "workflow")


ENTERPRISE = "https://github.example.com"


@pytest.fixture
def enterprise(tmp_path: Path) -> Iterator[tuple[Github, StepOfWorkflow]]:
    """A GitHub Enterprise Server, whose API is below a path."""
    with running_github("/api/v3") as server:
        server.add_pull_request(SHOP, 7, HEAD)
        yield server, StepOfWorkflow(tmp_path, server.url, server.add_workflow_token(), ENTERPRISE)


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
def test_on_an_enterprise_server(enterprise: tuple[Github, StepOfWorkflow], settings: PublishSettings) -> None:
    server, step = enterprise
    assert server.url.endswith("/api/v3")
    for number in range(150):
        server.add_comment(SHOP, 7, "bob", f"remark {number}")
    publish(step.publisher(settings, number=1), OVER)
    publish(step.publisher(settings, number=2), FINE)
    (comment,) = (one for one in server.comments(SHOP, 7) if one.author != "bob")
    assert "within budget" in comment.body
    assert f"({ENTERPRISE}/octo/shop/actions/runs/4701/attempts/1)" in comment.body
    assert "https://github.com/" not in comment.body
    link = f"{ENTERPRISE}/octo/shop/actions/runs/4702/attempts/1"
    if settings is STATUS:
        assert server.statuses(SHOP, HEAD)[0].target_url == link
    else:
        assert server.check_runs(SHOP)[-1].details_url == link
    assert {request.query.get("page") for request in server.requests} == {None, "2"}


@pytest.mark.thorough
def test_whose_an_apps_token_is_is_asked_beside_an_enterprise_servers_api(
    enterprise: tuple[Github, StepOfWorkflow],
) -> None:
    server, step = enterprise
    step.token = server.add_app_token("sizes")
    publish(step.publisher(STATUS, number=1), OVER)
    publish(step.publisher(STATUS, number=2), FINE)
    assert [(one.author, "within budget" in one.body) for one in server.comments(SHOP, 7)] == [("sizes[bot]", True)]
    assert "/graphql" in [request.path for request in server.requests]


LOW = containers("- {name: api, image: shop/api, resources: {limits: {memory: 150Mi}, requests: {memory: 130Mi}}}\n")


@pytest.mark.thorough
@pytest.mark.parametrize("elsewhere", [False, True], ids=["check", "report of another run"])
def test_a_change_to_a_manifest_is_suggested_once(
    shop: Github, step: StepOfWorkflow, capsys: pytest.CaptureFixture[str], elsewhere: bool
) -> None:
    line = LOW.splitlines()[6]
    shop.add_file(SHOP, 7, "a.yaml", f"@@ -6,2 +6,2 @@\n       containers:\n-{line.replace('150', '256')}\n+{line}")
    of = reported(checked({"a.yaml": LOW})).judged()
    for _ in range(2):
        publisher = step.publisher(PublishSettings(CommentSettings()), measured_elsewhere=elsewhere)
        publisher.publish(of, Path("report.json"))
    (suggestion,) = shop.review_comments(SHOP)
    assert (suggestion.path, suggestion.line, suggestion.commit) == ("a.yaml", 7, HEAD)
    assert f"```suggestion\n{line.replace('150', '230')}\n```" in suggestion.body
    assert capsys.readouterr().err.count("suggestions: 1 posted, 0 updated, 0 removed") == 1


@pytest.mark.thorough
def test_a_suggestion_that_cannot_be_posted_is_a_warning(
    shop: Github, step: StepOfWorkflow, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.fail_next(422, "Unprocessable", path=f"/repos/{SHOP}/pulls/7/comments", method="GET")
    publish(step.publisher(PublishSettings(CommentSettings())), reported(checked({"a.yaml": LOW})))
    assert len(shop.comments(SHOP, 7)) == 1
    assert "no suggestions were posted: GitHub answered 422: Unprocessable" in capsys.readouterr().err
