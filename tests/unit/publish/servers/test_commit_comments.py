"""Comments on commits, over HTTP, on the stand-in of GitHub."""

import pytest
from pydantic import SecretStr

from membudget.publish.comment import CommentSettings, Draft, keep_current
from membudget.publish.pull_request import NotPosted, Posted
from membudget.publish.servers.commit_comments import CommitComments
from membudget.publish.servers.forgejo import ForgejoServer, GiteaServer
from membudget.publish.servers.github_api import GITHUB, github_names
from membudget.publish.servers.http_api import HttpApi
from tests.support.github_operations import Permission
from tests.support.github_server import WORKFLOW_USER, Github

SHOP, SHA = "octo/shop", "c" * 40
SETTINGS = CommentSettings("step.1a2b")
MARKER = SETTINGS.marker(None)
pytestmark = pytest.mark.thorough


@pytest.fixture
def shop(github: Github) -> Github:
    """A repository with a commit."""
    github.state.repository(SHOP).commits.add(SHA)
    return github


def tell(shop: Github, text: str = "it grew", token: str | None = None, sha: str = SHA) -> Posted | NotPosted:
    """What a process of its own does each time."""
    body = f"{MARKER}\n{text}\n"
    draft = Draft(SETTINGS, None, is_worth_creating=True, body=lambda _: body, is_same=lambda there: there == body)
    secret = SecretStr(token or shop.add_workflow_token())
    api = HttpApi(shop.url, secret, GITHUB, sleep=lambda _: None)
    return keep_current(lambda: CommitComments(api, github_names(secret), SHOP, sha), draft, lambda: None)


def shown(shop: Github) -> list[tuple[str | None, str, str]]:
    return [(one.author, one.sha, one.body) for one in shop.commit_comments(SHOP)]


def test_a_commit_is_commented_on_once(shop: Github) -> None:
    first, second = tell(shop), tell(shop)
    assert isinstance(first, Posted)
    assert first.created
    assert second == Posted(first.url, created=False, written=False)
    assert shown(shop) == [(WORKFLOW_USER, SHA, f"{MARKER}\nit grew\n")]


def test_other_figures_edit_the_comment(shop: Github) -> None:
    tell(shop)
    tell(shop, "it grew more")
    assert shown(shop) == [(WORKFLOW_USER, SHA, f"{MARKER}\nit grew more\n")]


def test_a_comment_that_the_server_made_without_an_answer_is_not_made_twice(shop: Github) -> None:
    shop.fail_next(502, method="POST", raw=b"<html>", too_late=True)
    assert isinstance(tell(shop), Posted)
    assert len(shown(shop)) == 1


def test_a_commit_that_the_server_does_not_know_is_named(shop: Github) -> None:
    assert tell(shop, sha="d" * 40) == NotPosted(
        "GitHub does not know commit dddddddddddd, or does not show it to this token"
    )


def test_a_token_without_the_right_is_told_which_one_it_needs(shop: Github) -> None:
    told = tell(shop, token=shop.add_workflow_token(Permission.READ))
    assert told == NotPosted("the token may not write comments on commits: give the job `permissions: contents: write`")


@pytest.mark.parametrize("server", [ForgejoServer, GiteaServer])
def test_forgejo_and_gitea_have_none(server: type[ForgejoServer]) -> None:
    assert server({"GITHUB_REPOSITORY": SHOP}, SecretStr("")).commit_comments(SHA) is None
