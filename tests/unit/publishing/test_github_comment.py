"""The comment, through PyGithub, on the stand-in of GitHub."""

import socket
from dataclasses import astuple

import pytest

from membudget.errors import ConfigurationError
from membudget.publishing import github_comment
from membudget.publishing.github_comment import GithubCommenter
from membudget.publishing.pull_request import NotPosted, Posted, PullRequest
from tests.support.github_operations import LONGEST_BODY, Permission
from tests.support.github_server import WORKFLOW_USER, Github

SHOP = "octo/shop"
PULL_REQUEST = PullRequest(SHOP, 7)
MARKER = "<!-- membudget:default -->"
FIRST, SECOND = f"{MARKER}\nover budget\n", f"{MARKER}\nwithin budget\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once what failed."""
    monkeypatch.setattr(github_comment, "_BACKOFF_S", 0)


@pytest.fixture
def shop(github: Github) -> Github:
    """A pull request to comment on."""
    github.add_pull_request(SHOP, 7)
    return github


def post(shop: Github, body: str = FIRST, token: str | None = None, marker: str = MARKER) -> Posted | NotPosted:
    """What a workflow run does: a process of its own each time."""
    return GithubCommenter(token or shop.add_workflow_token(), shop.url).post(PULL_REQUEST, marker, body)


def texts(shop: Github) -> list[tuple[str | None, str]]:
    return [(comment.author, comment.body) for comment in shop.comments(SHOP, 7)]


def test_the_first_run_creates_a_comment(shop: Github) -> None:
    outcome = post(shop)
    (comment,) = shop.comments(SHOP, 7)
    assert (comment.author, comment.body) == (WORKFLOW_USER, FIRST)
    assert outcome == Posted(comment.html_url, created=True)


def test_the_next_push_edits_it(shop: Github) -> None:
    post(shop)
    shop.add_comment(SHOP, 7, "ann", "oh dear")
    outcome = post(shop, SECOND)
    assert texts(shop) == [(WORKFLOW_USER, SECOND), ("ann", "oh dear")]
    assert outcome == Posted(shop.comments(SHOP, 7)[0].html_url, created=False)


def test_what_is_there_already_is_not_written_again(shop: Github) -> None:
    post(shop)
    assert post(shop) == Posted(shop.comments(SHOP, 7)[0].html_url, created=False)
    assert [request.method for request in shop.requests].count("PATCH") == 0


def test_a_persons_token_finds_its_own_comment(shop: Github) -> None:
    token = shop.add_token("ann")
    post(shop, FIRST, token)
    post(shop, SECOND, token)
    assert texts(shop) == [("ann", SECOND)]


@pytest.mark.parametrize("author", ["mallory", "github-actions", "dependabot[bot]", None])
def test_somebody_elses_comment_with_our_marker_is_left_alone(shop: Github, author: str | None) -> None:
    shop.add_comment(SHOP, 7, author, f"{MARKER}\nall is well, merge it")
    post(shop, FIRST)
    post(shop, SECOND)
    assert texts(shop) == [(author, f"{MARKER}\nall is well, merge it"), (WORKFLOW_USER, SECOND)]


def test_a_marker_that_is_quoted_further_down_is_none(shop: Github) -> None:
    shop.add_comment(SHOP, 7, WORKFLOW_USER, f"Somebody wrote:\n{MARKER}")
    post(shop)
    assert len(texts(shop)) == 2


def test_the_comment_is_found_on_the_third_page(shop: Github) -> None:
    for number in range(200):
        shop.add_comment(SHOP, 7, "ann", f"remark {number}")
    shop.add_comment(SHOP, 7, WORKFLOW_USER, FIRST)
    assert astuple(post(shop, SECOND))[1:] == (False,)
    assert texts(shop)[200:] == [(WORKFLOW_USER, SECOND)]
    assert [request.query.get("page", "1") for request in shop.requests if request.method == "GET"] == ["1", "2", "3"]


def test_workflows_with_different_keys_keep_comments_of_their_own(shop: Github) -> None:
    keys = ("default", "nightly", "night")
    for text in ("first", "second"):
        for key in keys:
            marker = f"<!-- membudget:{key} -->"
            post(shop, f"{marker}\n{text} of {key}", marker=marker)
    assert [body.split("\n")[1] for _, body in texts(shop)] == [f"second of {key}" for key in keys]


def test_a_read_only_token_costs_the_comment_and_says_what_would_help(shop: Github) -> None:
    outcome = post(shop, token=shop.add_workflow_token(Permission.READ))
    assert outcome == NotPosted(
        "the token may not write comments (from a fork it never may;"
        " elsewhere give the job `permissions: pull-requests: write`)"
    )
    assert texts(shop) == []


def test_a_read_only_token_cannot_edit_either(shop: Github) -> None:
    post(shop, FIRST)
    assert isinstance(post(shop, SECOND, shop.add_workflow_token(Permission.READ)), NotPosted)
    assert texts(shop) == [(WORKFLOW_USER, FIRST)]


def test_a_token_that_github_does_not_know(shop: Github) -> None:
    assert post(shop, token="ghs_expired") == NotPosted("GitHub does not accept the token")
    assert post(shop, token="ghp_expired") == NotPosted("GitHub does not accept the token")


def test_a_token_that_sees_nothing(shop: Github) -> None:
    outcome = post(shop, token=shop.add_token("ann", Permission.NONE))
    assert outcome == NotPosted("GitHub knows no such pull request, or does not show it to this token")


def test_a_body_that_is_too_long(shop: Github) -> None:
    assert post(shop, MARKER + "x" * LONGEST_BODY) == NotPosted("GitHub answered 422: Validation Failed")


def test_a_locked_conversation(shop: Github) -> None:
    shop.fail_next(403, "Unable to create comment because issue is locked.", method="POST")
    outcome = post(shop)
    assert outcome == NotPosted("GitHub answered 403: Unable to create comment because issue is locked.")


def test_a_server_that_stumbles_is_asked_again(shop: Github) -> None:
    shop.fail_next(502)
    assert astuple(post(shop))[1:] == (True,)
    shop.fail_next(503, method="PATCH")
    assert astuple(post(shop, SECOND))[1:] == (False,)
    assert texts(shop) == [(WORKFLOW_USER, SECOND)]


@pytest.mark.parametrize("too_late", [False, True])
def test_a_creation_that_failed_is_looked_at_before_it_is_repeated(shop: Github, too_late: bool) -> None:
    shop.fail_next(502, method="POST", too_late=too_late)
    assert isinstance(post(shop), Posted)
    assert texts(shop) == [(WORKFLOW_USER, FIRST)]


def test_a_server_that_is_down(shop: Github) -> None:
    shop.fail_next(502, times=100)
    assert post(shop) == NotPosted("GitHub answered 502: Server Error")
    assert len(shop.requests) < 10


def test_a_proxy_that_answers_for_a_server_that_is_down(shop: Github) -> None:
    shop.fail_next(504, method="POST", raw=b"<html>Gateway Timeout</html>", times=2)
    assert post(shop) == NotPosted("GitHub answered 504")


@pytest.mark.parametrize("raw", [b"<html>log in</html>", b'{"a": 1}', b"[1]", b'[{"body": 1}]', b"", b"\xff"])
def test_something_that_is_not_github(shop: Github, raw: bytes) -> None:
    shop.fail_next(200, raw=raw, times=100)
    assert post(shop) == NotPosted("what answers is not GitHub's API (GITHUB_API_URL names it)")


def test_a_server_that_is_not_there(shop: Github) -> None:
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        url = f"http://localhost:{unused.getsockname()[1]}"
        outcome = GithubCommenter(shop.add_workflow_token(), url).post(PULL_REQUEST, MARKER, FIRST)
    assert outcome == NotPosted("GitHub cannot be reached: ConnectionError")


def test_a_short_wait_that_github_asks_for_is_kept(shop: Github, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    shop.fail_next(403, "You have exceeded a secondary rate limit.", {"Retry-After": "7"})
    assert isinstance(post(shop), Posted)
    assert waits == [7]


@pytest.mark.parametrize(
    ("status", "message", "headers"),
    [
        (403, "You have exceeded a secondary rate limit.", {"Retry-After": "3600"}),
        (403, "API rate limit exceeded for installation.", {"X-RateLimit-Reset": "4102444800"}),
        (429, "Too many requests", {"Retry-After": "3600"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_long_wait_is_not_worth_a_comment(
    shop: Github, status: int, message: str, headers: dict[str, str], method: str
) -> None:
    shop.fail_next(status, message, headers, method=method, times=100)
    outcome = post(shop)
    assert isinstance(outcome, NotPosted)
    assert "rate limit" in outcome.reason or "Too many requests" in outcome.reason
    assert texts(shop) == []


def test_what_github_says_is_told_on_one_line(shop: Github) -> None:
    shop.fail_next(422, "no\n::error::gotcha\x1b[31m")
    assert post(shop) == NotPosted("GitHub answered 422: no ::error::gotcha")


def test_the_token_is_in_no_message_and_nothing_is_printed(
    shop: Github, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    token = shop.add_workflow_token(Permission.READ)
    commenter = GithubCommenter(token, shop.url)
    shop.fail_next(500)
    shop.fail_next(403, "You have exceeded a secondary rate limit.", {"Retry-After": "0"})
    outcome = commenter.post(PULL_REQUEST, MARKER, FIRST)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith("github")] == []
    assert token not in f"{outcome} {commenter!r} {caplog.text}"


@pytest.mark.parametrize("address", ["nonsense", "ftp://localhost", "https://", "https://localhost/a b"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address of a GitHub API"):
        GithubCommenter("token", address)
