from types import SimpleNamespace
from typing import cast

import pytest
from pydantic import SecretStr

from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Access, Server
from membudget.publish.servers.github_server import GithubServer
from membudget.setup.doctor import CheckState
from membudget.setup.doctor_repository import look_at_token, token_finding
from tests.support.findings import said
from tests.support.github_operations import Permission
from tests.support.github_server import Github

SHOP = "octo/shop"
OK, WARNING, FAILED, SKIPPED = CheckState


@pytest.mark.parametrize(
    ("access", "state", "seen"),
    [
        (None, SKIPPED, "GitHub does not tell a token's rights"),
        (ServerFault("GitHub does not accept the token", 401), FAILED, "GitHub does not accept the token"),
        (Access(SHOP, reads_repository=False), FAILED, "GitHub does not show octo/shop to the token"),
        (
            Access(SHOP, reads_repository=True, reads_pull_requests=False),
            WARNING,
            "GitHub accepts a workflow's or an app's token, which may not read the pull requests of octo/shop",
        ),
        (
            Access(SHOP, reads_repository=True, reads_pull_requests=True),
            OK,
            "GitHub accepts a workflow's or an app's token, which reads octo/shop; whether it may write cannot be seen",
        ),
        (
            Access(SHOP, "mona", reads_repository=True, reads_pull_requests=True, may_push=True),
            OK,
            "GitHub accepts the token of mona, which reads octo/shop; whether",
        ),
        (
            Access(SHOP, "mona", reads_repository=True, reads_pull_requests=True, may_push=False),
            WARNING,
            "GitHub accepts the token of mona, which reads octo/shop and may not write there",
        ),
        (Access(SHOP, "forgejo-actions"), OK, "GitHub accepts the token of forgejo-actions; whether"),
    ],
    ids=["not told", "refused", "no repository", "no pull requests", "workflow", "writer", "reader", "owner alone"],
)
def test_the_token(access: Access | ServerFault | None, state: CheckState, seen: str) -> None:
    told = said(lambda: token_finding("GitHub", access))
    assert told[0] is state
    assert told[1].startswith(seen)


def test_without_a_token_nobody_is_asked() -> None:
    server = cast("Server", SimpleNamespace(has_token=False))

    assert said(lambda: look_at_token(server))[:2] == (SKIPPED, "there is no token in the environment")


def server_with(github: Github, token: str) -> Server:
    return GithubServer({"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": SHOP}, SecretStr(token))


@pytest.mark.thorough
def test_github_is_asked_without_writing_and_the_token_is_not_shown(github: Github) -> None:
    github.add_pull_request(SHOP, 7, "b" * 40)
    tokens = {
        "a workflow's or an app's token, which reads octo/shop": github.add_workflow_token(),
        "the token of mona, which reads octo/shop;": github.add_token("mona"),
        "and may not write there": github.add_token("eve", Permission.READ),
        "does not show octo/shop to the token": github.add_token("mallory", Permission.NONE),
        "does not accept the token": "ghp_expired",
    }
    for words, token in tokens.items():
        _, seen, fix = said(lambda token=token: look_at_token(server_with(github, token)))  # type: ignore[misc]
        assert words in seen
        assert token not in seen + fix

    assert {request.method for request in github.requests} == {"GET"}
