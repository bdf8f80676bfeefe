"""Forgejo and Gitea, over HTTP, on a stand-in that is held to Forgejo's description of its API."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.cli.publisher import PublishSettings
from membudget.publish.comment import CommentMode, CommentSettings
from membudget.publish.commit_state import StatusMode
from membudget.publish.pull_request import PullRequest, ServerFault, WorkflowRun
from membudget.publish.server import Access
from membudget.publish.servers.forgejo import FORGEJO, ForgejoServer, GiteaServer, forgejo_names
from membudget.publish.servers.github_api import GITHUB, github
from membudget.publish.servers.http_api import HttpApi
from membudget.report.report import Report
from tests.support.builders import budgets, image, report, side, trial
from tests.support.forgejo_server import ALL_SCOPES, API, Forgejo, running_forgejo
from tests.support.github_operations import Permission
from tests.support.workflow_step import HEAD, SHOP, StepOfWorkflow

FINE = report(image("fine", base=side(trial(40)), head=side(trial(40)), allowed=budgets(max_rss=50)))
OVER = report(image("over", base=side(trial(40)), head=side(trial(60)), allowed=budgets(max_rss=50)))
ALWAYS = CommentSettings(mode=CommentMode.ALWAYS)
SILENT, STATUS, CHECK = (PublishSettings(ALWAYS, mode) for mode in StatusMode)
KINDS = {"Forgejo": {"FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true"}, "Gitea": {"GITEA_ACTIONS": "true"}}


@pytest.fixture
def shop() -> Iterator[Forgejo]:
    """A pull request on a server that runs."""
    with running_forgejo() as forgejo:
        forgejo.add_pull_request(SHOP, 7, HEAD)
        yield forgejo


def step(shop: Forgejo, tmp_path: Path, token: str | None = None, kind: str = "Forgejo") -> StepOfWorkflow:
    """A step as the runner starts it."""
    return StepOfWorkflow(tmp_path, f"{shop.url}{API}", token or shop.add_workflow_token(), shop.url, KINDS[kind])


def publish(one: StepOfWorkflow, of: Report, settings: PublishSettings = SILENT, number: int = 1) -> None:
    publisher = one.publisher(settings, number=number)
    with publisher.measuring():
        publisher.publish(of.judged(), Path("report.json"))


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("membudget: ") for line in lines if line.startswith("membudget: ")]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_comment_is_created_and_then_edited(
    shop: Forgejo, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = step(shop, tmp_path, kind=kind)
    publish(one, OVER)
    (comment,) = shop.comments(SHOP, 7)
    assert (comment.author, "over budget" in comment.body) == ("forgejo-actions", True)
    publish(one, FINE, number=2)
    assert [(found.id, "within budget" in found.body) for found in shop.comments(SHOP, 7)] == [(comment.id, True)]
    page = f"{shop.url}/octo/shop/pulls/7#issuecomment-{comment.id}"
    assert said(capsys) == [f"comment created: {page}", f"comment updated: {page}"]


@pytest.mark.thorough
def test_what_is_there_already_is_not_written_again(shop: Forgejo, tmp_path: Path) -> None:
    publish(step(shop, tmp_path), OVER)
    publish(step(shop, tmp_path), OVER, number=2)
    assert [request.method for request in shop.requests].count("PATCH") == 0


@pytest.mark.thorough
def test_an_older_run_replaces_nothing(shop: Forgejo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(step(shop, tmp_path), OVER, number=3)
    publish(step(shop, tmp_path), FINE, number=2)
    assert "over budget" in shop.comments(SHOP, 7)[0].body
    assert said(capsys)[-1] == "no comment was posted: a newer run has posted its comment"


@pytest.mark.thorough
@pytest.mark.parametrize("author", ["mallory", None])
def test_somebody_elses_comment_with_our_marker_is_left_alone(
    shop: Forgejo, tmp_path: Path, author: str | None
) -> None:
    forged = f"{ALWAYS.marker(None)}\nall is well"
    shop.add_comment(SHOP, 7, author, forged)
    publish(step(shop, tmp_path), OVER)
    publish(step(shop, tmp_path), FINE, number=2)
    assert [comment.author for comment in shop.comments(SHOP, 7)] == [author, "forgejo-actions"]
    assert shop.comments(SHOP, 7)[0].body == forged


@pytest.mark.thorough
def test_all_comments_come_in_one_request(shop: Forgejo, tmp_path: Path) -> None:
    for number in range(350):
        shop.add_comment(SHOP, 7, "bob", f"remark {number}")
    publish(step(shop, tmp_path), OVER, STATUS)
    assert len(shop.requests) == 5
    shop.requests.clear()
    publish(step(shop, tmp_path), FINE, STATUS, number=2)
    assert len(shop.requests) == 5
    assert [request.query for request in shop.requests] == [{}] * 5


@pytest.mark.thorough
def test_doubles_that_were_left_are_removed_by_the_next_run(shop: Forgejo, tmp_path: Path) -> None:
    for number in (4, 5):
        run = WorkflowRun(4700 + number, number, 1, HEAD)
        shop.add_comment(SHOP, 7, shop.actions_user, f"{ALWAYS.marker(run)}\nold")
    publish(step(shop, tmp_path), FINE, number=6)
    assert ["within budget" in comment.body for comment in shop.comments(SHOP, 7)] == [True]


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [STATUS, CHECK], ids=["status", "check"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_commit_gets_a_status(
    shop: Forgejo, tmp_path: Path, settings: PublishSettings, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(step(shop, tmp_path, kind=kind), OVER, settings, number=4)
    told = [(status.context, status.state) for status in reversed(shop.statuses(SHOP, HEAD))]
    assert told == [("membudget", "pending"), ("membudget", "failure")]
    fell_back = [f"{kind} has no check runs: the commit gets a status"] if settings is CHECK else []
    assert said(capsys)[:-1] == fell_back


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "run"), [("Forgejo", "4"), ("Gitea", "4704")])
def test_links_to_runs(shop: Forgejo, tmp_path: Path, kind: str, run: str) -> None:
    """Forgejo's addresses have the run's number, Gitea's its id; neither has the attempt."""
    publish(step(shop, tmp_path, kind=kind), OVER, STATUS, number=3)
    publish(step(shop, tmp_path, kind=kind), FINE, STATUS, number=4)
    link = f"{shop.url}/octo/shop/actions/runs/{run}"
    assert shop.statuses(SHOP, HEAD)[0].target_url == link
    assert f"[4]({link})" in shop.comments(SHOP, 7)[0].body
    assert not re.search(r"attempts|github\.com", shop.comments(SHOP, 7)[0].body)


@pytest.mark.thorough
def test_the_api_is_below_the_server_where_the_runner_does_not_name_it(shop: Forgejo, tmp_path: Path) -> None:
    one = step(shop, tmp_path)
    one.api_url = ""
    publish(one, OVER)
    assert len(shop.comments(SHOP, 7)) == 1


@pytest.mark.thorough
def test_a_forks_token_may_comment_and_not_tell_the_commit(
    shop: Forgejo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(step(shop, tmp_path, shop.add_workflow_token(Permission.READ)), OVER, STATUS)
    assert len(shop.comments(SHOP, 7)) == 1
    assert said(capsys)[0] == (
        "no commit status was posted: the token may not write commit statuses"
        ": a token of your own needs the scope `write:repository` (a fork's token never may)"
    )


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("missing", "said_of_it"),
    [
        (
            "write:issue",
            (
                "no comment was posted: the token may not write comments"
                ": a token of your own needs the scopes `write:issue` and `read:user`"
            ),
        ),
        (
            "write:repository",
            (
                "no commit status was posted: the token may not write commit statuses"
                ": a token of your own needs the scope `write:repository` (a fork's token never may)"
            ),
        ),
    ],
)
def test_a_token_of_ones_own_that_lacks_a_scope(
    shop: Forgejo, tmp_path: Path, missing: str, said_of_it: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = shop.add_token("ann", scopes=ALL_SCOPES - {missing})
    publish(step(shop, tmp_path, token), OVER, STATUS)
    assert said_of_it in said(capsys)


@pytest.mark.thorough
def test_a_token_that_may_not_ask_who_it_is_says_so_and_makes_no_second_comment(
    shop: Forgejo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = shop.add_token("ann", scopes=frozenset({"write:issue"}))
    publish(step(shop, tmp_path, token), OVER)
    first = shop.comments(SHOP, 7)
    publish(step(shop, tmp_path, token), FINE, number=2)
    assert shop.comments(SHOP, 7) == first
    assert said(capsys)[-1] == (
        "no comment was posted: the token lacks the scope `read:user`,"
        " so membudget cannot tell which comment is its own"
    )


@pytest.mark.thorough
def test_a_token_of_ones_own_finds_its_own_comment(shop: Forgejo, tmp_path: Path) -> None:
    token = shop.add_token("ann")
    publish(step(shop, tmp_path, token), OVER)
    publish(step(shop, tmp_path, token), FINE, number=2)
    assert [(one.author, "within budget" in one.body) for one in shop.comments(SHOP, 7)] == [("ann", True)]


@pytest.mark.thorough
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_workflows_token_that_may_not_ask_is_the_runners_user(shop: Forgejo, status: int) -> None:
    shop.fail_next(status, "no")
    api = HttpApi(f"{shop.url}{API}", SecretStr(shop.add_workflow_token()), FORGEJO)
    assert forgejo_names(api, frozenset()) == {"forgejo-actions", "gitea-actions"}


@pytest.mark.parametrize("token", ["", "unknown"])
def test_a_token_that_the_server_does_not_know(
    shop: Forgejo, tmp_path: Path, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = step(shop, tmp_path, "unknown")
    one.token = token
    publish(one, OVER)
    assert said(capsys) == [
        f"no comment was posted: {'Forgejo does not accept the token' if token else 'there is no token'}"
    ]


def test_a_repository_that_the_token_does_not_see(
    shop: Forgejo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(step(shop, tmp_path, shop.add_workflow_token(Permission.NONE)), OVER)
    assert said(capsys) == [
        "no comment was posted: Forgejo does not know this pull request, or does not show it to this token"
    ]


@pytest.mark.thorough
def test_a_server_that_stumbles_is_asked_again(shop: Forgejo, tmp_path: Path) -> None:
    shop.fail_next(502, method="POST", too_late=True)
    publish(step(shop, tmp_path), OVER)
    assert len(shop.comments(SHOP, 7)) == 1


def test_the_stand_in_finds_what_no_forgejo_knows() -> None:
    running = running_forgejo()
    forgejo = running.__enter__()
    forgejo.add_pull_request(SHOP, 7, HEAD)
    api = HttpApi(f"{forgejo.url}{API}", SecretStr(forgejo.add_workflow_token()), GITHUB)
    path, content = f"/repos/{SHOP}/issues/7/comments", {"body": "x", "colour": "red"}
    next(
        api.pages(
            lambda exchange, page: github(exchange).repository(SHOP).get_issue(7).get_comments().get_page(page - 1),
            list[object],
        )
    )
    api.call(lambda exchange: github(exchange).requestJsonAndCheck("POST", path, input=content), object)
    with pytest.raises(AssertionError) as violations:
        running.__exit__(None, None, None)
    assert "does not know the query parameter 'per_page'" in str(violations.value)
    assert "'colour' was unexpected" in str(violations.value)


@pytest.mark.thorough
@pytest.mark.parametrize("server", [ForgejoServer, GiteaServer])
def test_whose_token_it_is(shop: Forgejo, server: type[ForgejoServer]) -> None:
    environ = {"GITHUB_SERVER_URL": shop.url, "GITHUB_API_URL": f"{shop.url}{API}", "GITHUB_REPOSITORY": SHOP}
    tokens = {"mona": shop.add_token("mona"), None: shop.add_token("eve", scopes=frozenset({"write:issue"}))}

    assert server(environ, SecretStr(tokens["mona"])).access() == Access(SHOP, "mona")
    with pytest.raises(ServerFault, match="lacks the scope `read:user`"):
        server(environ, SecretStr(tokens[None])).access()


@pytest.mark.parametrize("server", [ForgejoServer, GiteaServer])
def test_there_are_no_suggestions(server: type[ForgejoServer]) -> None:
    assert server({"GITHUB_REPOSITORY": SHOP}, SecretStr("")).suggestions(PullRequest(SHOP, 7)) is None
