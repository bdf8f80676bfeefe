"""PyGithub under our boundary: it makes one request, has no token, and does nothing on its own."""

import logging
import subprocess
import sys
import time

import pytest
import requests
from github.Issue import Issue
from github.Requester import Requester
from pydantic import SecretStr

from membudget.publish.pull_request import PullRequest, ServerFault
from membudget.publish.servers import github_requester, http_api
from membudget.publish.servers.exchange import Exchange
from membudget.publish.servers.github_api import GITHUB, github
from membudget.publish.servers.github_server import GithubServer
from membudget.publish.servers.http_api import HttpApi, NotThisApi
from membudget.web.retries import Policy
from tests.support.github_server import WORKFLOW_USER, Github

SHOP = "octo/shop"


@pytest.fixture
def shop(github: Github) -> Github:
    """A pull request, and a comment on it."""
    github.add_pull_request(SHOP, 7)
    github.add_comment(SHOP, 7, WORKFLOW_USER, "hello")
    return github


def api(shop: Github, waits: list[float] | None = None) -> HttpApi:
    token = SecretStr(shop.add_workflow_token())
    return HttpApi(shop.url, token, GITHUB, sleep=(waits if waits is not None else []).append)


def comments(api: HttpApi) -> list[object]:
    return next(api.pages(lambda exchange, page: issue(exchange).get_comments().get_page(page - 1), list[object]))


def issue(exchange: Exchange) -> Issue:
    return github(exchange).repository(SHOP).get_issue(7)


def create(exchange: Exchange) -> object:
    return issue(exchange).create_comment("hi")


@pytest.mark.thorough
def test_pygithub_is_not_imported_before_something_is_published() -> None:
    code = (
        "import sys, membudget.cli.publisher, membudget.report.formats.markdown\n"
        "from pydantic import SecretStr\n"
        "from membudget.publish.servers.registry import server\n"
        "server({}, SecretStr('token'))\n"
        "print('github' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_pygithub_never_has_the_token(shop: Github, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def request(self: object, verb: str, url: str, content: str | None, headers: dict[str, str], *more: object) -> None:
        frame = sys._getframe()
        while frame.f_back is not None and "/github/" in frame.f_back.f_code.co_filename:
            frame = frame.f_back
            seen.extend([*frame.f_locals.values(), *(vars(frame.f_locals["self"]).values())])
        seen.append(headers)
        send(self, verb, url, content, headers, *more)  # type: ignore[arg-type] # as it came

    send = github_requester._Connection.request
    monkeypatch.setattr(github_requester._Connection, "request", request)
    asked = api(shop)
    assert len(comments(asked)) == 1
    assert len(seen) > 20
    (token,) = shop.tokens
    assert token not in repr(seen)


def test_pygithub_logs_nothing(shop: Github, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(logging.Logger, "handle", lambda logger, record: logged.append(record.name))
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("membudget.this_test").debug("what is logged is seen")
        comments(api(shop))
    finally:
        root.setLevel(level)
    assert [name for name in logged if name.startswith(("github", "membudget"))] == ["membudget.this_test"]


def test_the_connections_of_others_who_use_pygithub_stay_theirs(shop: Github) -> None:
    before = vars(Requester).copy()
    comments(api(shop))
    assert vars(Requester) == before


def test_an_action_makes_one_request_whatever_pygithub_would_ask_besides(shop: Github) -> None:
    def twice(exchange: Exchange) -> object:
        requester = github(exchange)
        return [requester.owner().complete(), requester.repository(SHOP).get_issue(7).create_comment("hi")]

    asked = HttpApi(shop.url, SecretStr(shop.add_token("ann")), GITHUB)
    assert asked.call(twice, dict)["login"] == "ann"
    assert [request.method for request in shop.requests] == ["GET"]


def test_an_action_that_asks_nothing_is_a_fault(shop: Github) -> None:
    with pytest.raises(ServerFault, match="GitHub was asked nothing"):
        api(shop).call(lambda exchange: github(exchange).repository(SHOP), dict)


def test_a_202_is_neither_waited_for_nor_asked_for_again(shop: Github, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("PyGithub waits"))
    shop.fail_next(202, raw=b"[]")
    assert comments(api(shop)) == []
    assert len(shop.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_write_that_is_redirected_is_not_repeated_elsewhere(shop: Github, status: int) -> None:
    shop.fail_next(status, headers={"Location": f"{shop.url}/repositories/1/issues"}, raw=b"{}")
    with pytest.raises(ServerFault, match=f"GitHub answered {status}"):
        api(shop).call(create, dict, repeatable=False)
    assert len(shop.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_read_that_is_redirected_follows(shop: Github, status: int) -> None:
    """As those of a repository that was renamed are."""
    moved = f"{shop.url}/repositories/{shop.state.repository(SHOP).id}/issues/7/comments?per_page=100"
    shop.fail_next(status, headers={"Location": moved}, raw=b"{}")
    assert len(comments(api(shop))) == 1
    assert len(shop.requests) == 2


@pytest.mark.thorough
def test_an_answer_of_more_objects_than_a_page_has_is_refused_before_pygithub_sees_it(
    shop: Github, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github_requester._Response, "read", lambda _: pytest.fail("it is read"))
    shop.fail_next(200, raw=b"[" + b"{}," * 60_000 + b"{}]", times=100)
    with pytest.raises(ServerFault, match="GitHub sent an answer that has too many values"):
        comments(api(shop))


@pytest.mark.thorough
@pytest.mark.parametrize("raw", [b"{" * 100_000, b'"text"', b"null", b"[null]", b'{"message": 1}'])
def test_an_answer_that_pygithub_trips_over_is_not_githubs(shop: Github, raw: bytes) -> None:
    shop.fail_next(200, raw=raw, times=100)
    with pytest.raises(
        (NotThisApi, ServerFault),
        match=r"not come from GitHub's API|an answer that (nests too deeply|has too many values)",
    ):
        api(shop).call(create, dict[str, str], repeatable=False)


@pytest.mark.thorough
@pytest.mark.parametrize("raw", [b"null", b'"text"', b'{"message": 1}', b"[1]", b"{"])
def test_a_refusal_that_pygithub_trips_over_is_told_by_its_status(shop: Github, raw: bytes) -> None:
    shop.fail_next(422, raw=raw, headers={"X-RateLimit-Reset": "soon", "X-RateLimit-Remaining": "many"})
    with pytest.raises(ServerFault, match=r"GitHub answered 422$"):
        api(shop).call(create, dict, repeatable=False)


@pytest.mark.parametrize("raw", [b'{"message": {"base": ["no"]}}', b'{"message": ["no"]}', b'{"error": 1}'])
def test_a_refusal_whose_message_is_no_text_is_the_apis_answer(shop: Github, raw: bytes) -> None:
    shop.fail_next(422, raw=raw)
    with pytest.raises(ServerFault, match=r"GitHub answered 422$") as refused:
        api(shop).call(create, dict, repeatable=False)
    assert not refused.value.may_have_happened


def test_an_answer_that_is_too_large_is_not_asked_for_again(shop: Github, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_api, "_MOST_ANSWER_BYTES", 1000)
    shop.fail_next(200, raw=b"[" + b" " * 2000 + b"]", times=9)
    waits: list[float] = []
    with pytest.raises(ServerFault, match="GitHub sent more than 1,000 bytes"):
        comments(api(shop, waits))
    assert (len(shop.requests), waits) == (1, [])


def test_headers_that_pygithub_trips_over_do_not_matter(shop: Github) -> None:
    shop.fail_next(200, raw=b"[{}]", headers={"X-RateLimit-Reset": "soon"})
    assert comments(api(shop)) == [{}]


def test_a_label_with_a_slash_is_one_part_of_the_address(shop: Github, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not asked of the stand-in: WSGI makes two parts of it."""
    asked: list[str] = []

    def ask(_: Exchange, method: str, url: str, *more: object) -> None:
        asked.append(f"{method} {url}")
        raise requests.ConnectionError

    monkeypatch.setattr(Exchange, "ask", ask)
    monkeypatch.setattr(http_api, "_RETRIES", Policy(tries=1, backoff_s=0))
    server = GithubServer({"GITHUB_API_URL": shop.url}, SecretStr("token"))
    server.remove_label(PullRequest(SHOP, 7), "memory/approved")
    assert asked == [f"DELETE {shop.url}/repos/octo/shop/issues/7/labels/memory%2Fapproved"]


def test_a_bug_of_ours_in_an_action_is_not_taken_for_the_server(shop: Github) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        api(shop).call(lambda _: 1 / 0, dict)
    assert raised.value.__context__ is None
