"""Whose comments are membudget's own, and when the server has not said."""

import pytest
from pydantic import SecretStr

from membudget.publish.comment import CommentMode, CommentSettings, Draft, ServerCommenter
from membudget.publish.pull_request import NotPosted, PullRequest, ServerFault
from membudget.publish.servers.comments import PullRequestComments
from membudget.publish.servers.github_api import GITHUB, WORKFLOW_TOKEN_AUTHOR, github_names
from membudget.publish.servers.http_api import HttpApi
from tests.support.github_server import Github

SHOP, LATER = "octo/shop", {"X-RateLimit-Reset": "4102444800"}
LIMIT = "API rate limit exceeded for user ID 1."


@pytest.fixture
def shop(github: Github) -> Github:
    github.add_pull_request(SHOP, 7)
    return github


def names(shop: Github, token: str, *authors: str) -> frozenset[str]:
    secret = SecretStr(token)
    api = HttpApi(shop.url, secret, GITHUB, sleep=lambda _: None)
    return github_names(secret)(api, frozenset(authors))


def test_a_token_that_may_not_ask_is_the_workflows(shop: Github) -> None:
    shop.fail_next(403, "Resource not accessible by integration")
    assert names(shop, shop.add_token("ann")) == {WORKFLOW_TOKEN_AUTHOR}


def test_a_rate_limit_does_not_make_a_persons_token_the_workflows(shop: Github) -> None:
    shop.fail_next(403, LIMIT, LATER)
    with pytest.raises(ServerFault, match="rate limit is used up"):
        names(shop, shop.add_token("ann"))


def test_a_rate_limit_does_not_make_an_apps_token_the_workflows(shop: Github) -> None:
    shop.fail_next(403, LIMIT, LATER)
    with pytest.raises(ServerFault, match="rate limit is used up"):
        names(shop, shop.add_app_token("sizes"), "sizes[bot]")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_a_proxy_does_not_make_a_persons_token_the_workflows(shop: Github, status: int) -> None:
    shop.fail_next(status, raw=b"<html>log in</html>")
    with pytest.raises(ServerFault):
        names(shop, shop.add_token("ann"))


def test_a_person_whose_name_is_not_told_gets_no_second_comment(shop: Github) -> None:
    settings = CommentSettings(mode=CommentMode.ALWAYS)
    shop.add_comment(SHOP, 7, "ann", f"{settings.marker(None)}\nold")
    secret = SecretStr(shop.add_token("ann"))
    api = HttpApi(shop.url, secret, GITHUB, sleep=lambda _: None)
    commenter = ServerCommenter(lambda of: PullRequestComments(api, github_names(secret), of), lambda: None)
    shop.fail_next(403, LIMIT, LATER, path="/user", times=2)
    draft = Draft(settings, None, is_worth_creating=True, body=lambda _: f"{settings.marker(None)}\nnew")
    assert commenter.post(PullRequest(SHOP, 7), draft) == NotPosted("GitHub's rate limit is used up")
    assert len(shop.comments(SHOP, 7)) == 1
