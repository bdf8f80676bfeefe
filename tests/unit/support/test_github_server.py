"""The stand-in of GitHub, held to what makes it worth anything: it knows wrong requests, and its own wrong answers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.github_description import FILE
from tests.support.github_operations import LONGEST_BODY, Permission
from tests.support.github_server import Github, running_github

COMMENTS = "/repos/octo/shop/issues/7/comments"
STATUSES = f"/repos/octo/shop/statuses/{'b' * 40}"


class Client:
    """Speaks HTTP to the stand-in, with one token."""

    def __init__(self, github: Github, token: str | None) -> None:
        self._url = github.url
        self._session = requests.Session()
        if token is not None:
            self._session.headers["Authorization"] = f"token {token}"

    def __call__(self, method: str, path: str, json: Any = None) -> requests.Response:
        url = path if path.startswith("http") else f"{self._url}{path}"
        with self._session.request(method, url, json=json, timeout=10) as response:
            return response


@pytest.fixture
def shop(github: Github) -> Github:
    """A pull request to talk about."""
    github.add_pull_request("octo/shop", 7)
    return github


@pytest.fixture
def ann(shop: Github) -> Client:
    return Client(shop, shop.add_token("ann"))


@pytest.fixture
def broken() -> Iterator[Github]:
    """A stand-in whose violations are the point of the test."""
    running = running_github()
    github = running.__enter__()
    github.add_pull_request("octo/shop", 7)
    yield github
    with pytest.raises(AssertionError, match="GitHub's description of its API is violated"):
        running.__exit__(None, None, None)


def test_the_description_is_cut_to_what_is_played() -> None:
    assert FILE.stat().st_size < 300_000, "all of it is 13 MB, and takes 18 s to load"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "path", "content", "violation"),
    [
        ("GET", "/repos/octo/shop/issues/7/remarks", None, "request GET /repos/octo/shop/issues/7/remarks"),
        ("PUT", COMMENTS, {"body": "x"}, "request PUT"),
        ("POST", COMMENTS, {"text": "x"}, "'body' is a required property"),
        ("POST", COMMENTS, {"body": 1}, "1 is not of type 'string'"),
        ("POST", COMMENTS, None, "request POST"),
        ("GET", "/repos/octo/shop/issues/seven/comments", None, "seven"),
        ("GET", f"{COMMENTS}?per_page=many", None, "per_page"),
        ("GET", f"{COMMENTS}?per_side=2", None, "the server does not know the query parameter 'per_side'"),
        ("GET", f"{COMMENTS}?since=2026-11-23T12:00:00Z", None, "does not play the query parameter 'since'"),
        ("GET", "/users/ann", None, "does not play GET /users/ann"),
        ("POST", STATUSES, {"state": "fine"}, "'fine' is not one of"),
    ],
)
def test_a_wrong_request_is_a_violation(broken: Github, method: str, path: str, content: Any, violation: str) -> None:
    Client(broken, broken.add_token("ann"))(method, path, content)
    assert any(violation in found for found in broken.violations), broken.violations


@pytest.mark.parametrize(
    ("field", "value", "violation"),
    [("body", 1, "body: 1 is not of type 'string'"), ("id", "x", "id: 'x' is not of type 'integer'")],
)
def test_a_wrong_answer_is_a_violation(broken: Github, field: str, value: Any, violation: str) -> None:
    comment = broken.add_comment("octo/shop", 7, "ann", "fine")
    path = f"/repos/octo/shop/issues/comments/{comment.id}"
    setattr(comment, field, value)
    Client(broken, broken.add_token("ann"))("GET", path)
    (found,) = broken.violations
    assert found.startswith(f"response 200 to GET {path}: ")
    assert violation in found


def test_an_answer_that_github_never_gives_is_a_violation(broken: Github) -> None:
    broken.fail_next(418, "I am a teapot")
    Client(broken, broken.add_token("ann"))("GET", COMMENTS)
    (found,) = broken.violations
    assert found.startswith(f"response 418 to GET {COMMENTS}: ")


def test_a_bug_of_the_stand_in_is_a_violation_and_no_answer(broken: Github) -> None:
    broken.add_comment("octo/shop", 7, "ann", "fine").created_at = None  # type: ignore[assignment]
    assert Client(broken, broken.add_token("ann"))("GET", COMMENTS).status_code == 500
    assert "the stand-in broke" in broken.violations[0]


@pytest.mark.thorough
def test_comments_are_created_edited_and_deleted(ann: Client) -> None:
    created = ann("POST", COMMENTS, {"body": "one"})
    assert created.status_code == 201
    assert created.json()["user"]["login"] == "ann"
    path = f"/repos/octo/shop/issues/comments/{created.json()['id']}"
    edited = ann("PATCH", path, {"body": "two"})
    assert (edited.status_code, edited.json()["body"]) == (200, "two")
    assert edited.json()["created_at"] == created.json()["created_at"] < edited.json()["updated_at"]
    assert ann("GET", path).json() == edited.json()
    assert ann("DELETE", path).status_code == 204
    assert ann("GET", path).status_code == 404
    assert ann("GET", COMMENTS).json() == []


def test_who_may_write_may_edit_anybodys_comment(shop: Github, ann: Client) -> None:
    comment = shop.add_comment("octo/shop", 7, "bob", "mine")
    assert ann("PATCH", f"/repos/octo/shop/issues/comments/{comment.id}", {"body": "ours"}).status_code == 200
    assert (comment.author, comment.body) == ("bob", "ours")


@pytest.mark.thorough
def test_lists_come_in_pages_with_links(shop: Github, ann: Client) -> None:
    for number in range(5):
        shop.add_comment("octo/shop", 7, "bob", f"remark {number}")
    first = ann("GET", f"{COMMENTS}?per_page=2")
    assert bodies(first) == ["remark 0", "remark 1"]
    assert pages(first) == {"next": 2, "last": 3}
    second = ann("GET", first.links["next"]["url"])
    assert bodies(second) == ["remark 2", "remark 3"]
    assert pages(second) == {"prev": 1, "next": 3, "last": 3, "first": 1}
    third = ann("GET", second.links["next"]["url"])
    assert bodies(third) == ["remark 4"]
    assert pages(third) == {"prev": 2, "first": 1}
    assert all("per_page=2" in link["url"] for link in second.links.values())


@pytest.mark.thorough
def test_a_page_has_thirty_entries_unless_told_and_never_more_than_a_hundred(shop: Github, ann: Client) -> None:
    for number in range(120):
        shop.add_comment("octo/shop", 7, "bob", f"remark {number}")
    assert len(bodies(ann("GET", COMMENTS))) == 30
    assert len(bodies(ann("GET", f"{COMMENTS}?per_page=1000"))) == 100
    assert bodies(ann("GET", f"{COMMENTS}?per_page=100&page=3")) == []


def test_a_short_list_has_no_links(ann: Client) -> None:
    assert ann("GET", COMMENTS).links == {}


@pytest.mark.parametrize("token", [None, "ghp_made_up"])
def test_an_unknown_token_is_unauthorized(shop: Github, token: str | None) -> None:
    assert Client(shop, token)("GET", COMMENTS).status_code == 401


@pytest.mark.thorough
def test_what_a_token_may_do(shop: Github) -> None:
    none = Client(shop, shop.add_token("carl", Permission.NONE))
    reads = Client(shop, shop.add_token("bob", Permission.READ))
    assert none("GET", COMMENTS).status_code == 404
    assert none("POST", COMMENTS, {"body": "x"}).status_code == 404
    assert reads("GET", COMMENTS).status_code == 200
    refused = reads("POST", COMMENTS, {"body": "x"})
    assert refused.status_code == 403
    assert refused.json()["message"] == "Resource not accessible by personal access token"
    assert reads("GET", "/user").json()["login"] == "bob"


def test_a_workflows_token_may_not_ask_who_it_is(shop: Github) -> None:
    workflow = Client(shop, shop.add_workflow_token())
    assert workflow("GET", "/user").status_code == 403
    assert workflow("POST", COMMENTS, {"body": "x"}).json()["user"]["login"] == "github-actions[bot]"


def test_a_workflows_token_of_a_fork_may_not_write(shop: Github) -> None:
    refused = Client(shop, shop.add_workflow_token(Permission.READ))("POST", COMMENTS, {"body": "x"})
    assert refused.status_code == 403
    assert refused.json()["message"] == "Resource not accessible by integration"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "path",
    [
        "/repos/octo/nothing/issues/7/comments",
        "/repos/octo/shop/issues/8/comments",
        "/repos/octo/shop/pulls/8",
        "/repos/octo/nothing",
    ],
)
def test_what_is_not_there_is_not_found(ann: Client, path: str) -> None:
    assert ann("GET", path).status_code == 404


@pytest.mark.parametrize(("body", "status"), [("", 422), ("x" * LONGEST_BODY, 201), ("x" * (LONGEST_BODY + 1), 422)])
def test_a_comment_has_a_largest_and_a_smallest_size(ann: Client, body: str, status: int) -> None:
    assert ann("POST", COMMENTS, {"body": body}).status_code == status


def test_pull_requests_and_repositories_are_described(ann: Client) -> None:
    pull = ann("GET", "/repos/octo/shop/pulls/7").json()
    assert (pull["number"], pull["head"]["sha"], pull["base"]["sha"]) == (7, "b" * 40, "a" * 40)
    assert ann("GET", "/repos/octo/shop").json()["full_name"] == "octo/shop"


@pytest.mark.thorough
def test_statuses_of_a_commit(shop: Github, ann: Client) -> None:
    assert ann("POST", STATUSES, {"state": "pending", "context": "membudget"}).status_code == 201
    assert ann("POST", STATUSES, {"state": "failure", "context": "membudget"}).status_code == 201
    listed = ann("GET", f"/repos/octo/shop/commits/{'b' * 40}/statuses").json()
    assert [status["state"] for status in listed] == ["failure", "pending"]
    assert [status.creator for status in shop.statuses("octo/shop", "b" * 40)] == ["ann", "ann"]
    assert ann("POST", f"/repos/octo/shop/statuses/{'c' * 40}", {"state": "success"}).status_code == 422


@pytest.mark.thorough
def test_faults_come_when_asked_for(shop: Github, ann: Client) -> None:
    shop.fail_next(503, headers={"Retry-After": "1"})
    shop.fail_next(502, method="POST", raw=b"<html>Bad Gateway</html>", too_late=True)
    failed = ann("GET", COMMENTS)
    assert (failed.status_code, failed.headers["Retry-After"]) == (503, "1")
    assert ann("GET", COMMENTS).json() == []
    late = ann("POST", COMMENTS, {"body": "there all the same"})
    assert (late.status_code, late.text) == (502, "<html>Bad Gateway</html>")
    assert bodies(ann("GET", COMMENTS)) == ["there all the same"]


@pytest.mark.thorough
def test_requests_are_logged_by_the_repositorys_name(shop: Github, ann: Client) -> None:
    for number in range(3):
        shop.add_comment("octo/shop", 7, "bob", f"remark {number}")
    following = ann("GET", f"{COMMENTS}?per_page=2").links["next"]["url"]
    assert re.search(r"/repositories/\d+/issues/7/comments", following)
    ann("GET", following)
    assert [(one.method, one.path, one.status) for one in shop.requests] == [("GET", COMMENTS, 200)] * 2
    assert [one.query for one in shop.requests] == [{"per_page": "2"}, {"per_page": "2", "page": "2"}]


def bodies(response: requests.Response) -> list[str]:
    return [comment["body"] for comment in response.json()]


def pages(response: requests.Response) -> dict[str, int]:
    found = {}
    for name, link in response.links.items():
        page = re.search(r"[?&]page=(\d+)", link["url"])
        assert page is not None
        found[name] = int(page[1])
    return found
