"""The comment, over HTTP, on the stand-in of GitHub."""

import socket
from dataclasses import astuple
from functools import partial

import pytest
from pydantic import SecretStr

from membudget.core.errors import ConfigurationError
from membudget.publish.comment import ANOTHER_IS_NEWER, CommentMode, CommentSettings, Draft, ServerCommenter
from membudget.publish.pull_request import NotPosted, Posted, PullRequest, WorkflowRun
from membudget.publish.servers.comments import PullRequestComments
from membudget.publish.servers.github_api import GITHUB, github_names
from membudget.publish.servers.http_api import HttpApi
from tests.support.github_operations import LONGEST_BODY, Permission
from tests.support.github_server import WORKFLOW_USER, Github

SHOP = "octo/shop"
PULL_REQUEST = PullRequest(SHOP, 7)
HEAD, OLD_HEAD = "b" * 40, "c" * 40
SETTINGS = CommentSettings()


def run(number: int, attempt: int = 1, head: str = HEAD) -> WorkflowRun:
    return WorkflowRun(1_000_000 + number, number, attempt, head)


def draft(
    text: str = "over budget", of: WorkflowRun | None = None, settings: CommentSettings = SETTINGS, *, new: bool = True
) -> Draft:
    """A comment of one line."""
    return Draft(
        settings,
        of,
        is_worth_creating=new,
        body=lambda _: f"{settings.marker(of)}\n{text}\n",
        is_same=lambda body: body.split("\n", 1)[1] == f"{text}\n",
    )


@pytest.fixture
def waits() -> list[float]:
    """How long was waited, instead of waiting."""
    return []


@pytest.fixture
def shop(github: Github) -> Github:
    """A pull request to comment on."""
    github.add_pull_request(SHOP, 7, HEAD)
    return github


def commenter(shop: Github, token: str, waits: list[float] | None = None, url: str | None = None) -> ServerCommenter:
    secret, waited = SecretStr(token), waits if waits is not None else []
    api = HttpApi(url or shop.url, secret, GITHUB, sleep=waited.append)
    return ServerCommenter(partial(PullRequestComments, api, github_names(secret)), lambda: None)


def post(
    shop: Github, what: Draft | None = None, token: str | None = None, waits: list[float] | None = None
) -> Posted | NotPosted:
    """What a workflow run does: a process of its own each time."""
    return commenter(shop, token or shop.add_workflow_token(), waits).post(PULL_REQUEST, what or FIRST)


def body_of(what: Draft) -> str:
    return what.body(None)


FIRST, SECOND = draft("over budget"), draft("within budget")
MARKER = SETTINGS.marker(None)


def texts(shop: Github) -> list[tuple[str | None, str]]:
    return [(comment.author, comment.body) for comment in shop.comments(SHOP, 7)]


@pytest.mark.thorough
def test_the_first_run_creates_a_comment(shop: Github) -> None:
    outcome = post(shop)
    (comment,) = shop.comments(SHOP, 7)
    assert (comment.author, comment.body) == (WORKFLOW_USER, body_of(FIRST))
    assert outcome == Posted(comment.html_url, created=True)


@pytest.mark.thorough
def test_the_next_push_edits_it(shop: Github) -> None:
    post(shop)
    shop.add_comment(SHOP, 7, "ann", "oh dear")
    outcome = post(shop, SECOND)
    assert texts(shop) == [(WORKFLOW_USER, body_of(SECOND)), ("ann", "oh dear")]
    assert outcome == Posted(shop.comments(SHOP, 7)[0].html_url, created=False)


@pytest.mark.thorough
def test_what_is_there_already_is_not_written_again(shop: Github) -> None:
    post(shop)
    assert post(shop) == Posted(shop.comments(SHOP, 7)[0].html_url, created=False, written=False)
    assert [request.method for request in shop.requests].count("PATCH") == 0


@pytest.mark.thorough
def test_a_persons_token_finds_its_own_comment(shop: Github) -> None:
    token = shop.add_token("ann")
    post(shop, FIRST, token)
    post(shop, SECOND, token)
    assert texts(shop) == [("ann", body_of(SECOND))]


@pytest.mark.thorough
def test_the_token_of_an_app_of_ones_own_finds_its_own_comment(shop: Github) -> None:
    """It begins as a workflow's does, and comments by another name."""
    token = shop.add_app_token("sizes")
    post(shop, FIRST, token)
    (comment,) = shop.comments(SHOP, 7)
    shop.requests.clear()
    assert post(shop, SECOND, token) == Posted(comment.html_url, created=False)
    assert texts(shop) == [("sizes[bot]", body_of(SECOND))]
    assert [request.method for request in shop.requests] == ["GET", "POST", "PATCH"]


@pytest.mark.thorough
def test_an_app_leaves_the_comment_of_another_app_alone(shop: Github) -> None:
    shop.add_comment(SHOP, 7, "other[bot]", f"{MARKER}\nall is well")
    token = shop.add_app_token("sizes")
    post(shop, FIRST, token)
    post(shop, SECOND, token)
    assert texts(shop) == [("other[bot]", f"{MARKER}\nall is well"), ("sizes[bot]", body_of(SECOND))]


@pytest.mark.thorough
def test_a_workflow_asks_who_it_is_only_where_another_app_has_its_marker(shop: Github) -> None:
    post(shop, FIRST)
    shop.add_comment(SHOP, 7, "mallory", f"{MARKER}\nall is well")
    post(shop, SECOND)
    assert [request.method for request in shop.requests].count("POST") == 1
    shop.add_comment(SHOP, 7, "other[bot]", f"{MARKER}\nall is well")
    post(shop, FIRST)
    assert [request.path for request in shop.requests].count("/graphql") == 1
    assert texts(shop)[0] == (WORKFLOW_USER, body_of(FIRST))


@pytest.mark.thorough
@pytest.mark.parametrize("raw", [b'{"errors": [{"message": "no"}]}', b'{"data": {"viewer": null}}', b"<html>"])
def test_who_is_not_told_who_it_is_is_the_workflow(shop: Github, raw: bytes) -> None:
    shop.add_comment(SHOP, 7, "other[bot]", f"{MARKER}\nall is well")
    shop.fail_next(200, raw=raw, method="POST")
    post(shop, FIRST)
    shop.fail_next(403, "Resource not accessible by integration", method="POST")
    post(shop, SECOND)
    assert texts(shop)[1:] == [(WORKFLOW_USER, body_of(SECOND))]


@pytest.mark.thorough
@pytest.mark.parametrize("author", ["mallory", "github-actions", "dependabot[bot]", None])
def test_somebody_elses_comment_with_our_marker_is_left_alone(shop: Github, author: str | None) -> None:
    shop.add_comment(SHOP, 7, author, f"{MARKER}\nall is well, merge it")
    post(shop, FIRST)
    post(shop, SECOND)
    assert texts(shop) == [(author, f"{MARKER}\nall is well, merge it"), (WORKFLOW_USER, body_of(SECOND))]


@pytest.mark.thorough
def test_a_marker_that_is_quoted_further_down_is_none(shop: Github) -> None:
    shop.add_comment(SHOP, 7, WORKFLOW_USER, f"Somebody wrote:\n{MARKER}")
    post(shop)
    assert len(texts(shop)) == 2


@pytest.mark.thorough
def test_the_comment_is_found_on_the_third_page(shop: Github) -> None:
    for number in range(200):
        shop.add_comment(SHOP, 7, "ann", f"remark {number}")
    shop.add_comment(SHOP, 7, WORKFLOW_USER, body_of(FIRST))
    assert astuple(post(shop, SECOND))[1:2] == (False,)
    assert texts(shop)[200:] == [(WORKFLOW_USER, body_of(SECOND))]
    assert [request.query.get("page", "1") for request in shop.requests if request.method == "GET"] == ["1", "2", "3"]


@pytest.mark.thorough
def test_the_comment_is_found_on_another_page_of_a_server_that_calls_itself_otherwise(shop: Github) -> None:
    """An enterprise's, behind a proxy. Where its links lead, our token does not go."""
    shop.state.public_url = "https://github.example.com/api/v3/"
    for number in range(200):
        shop.add_comment(SHOP, 7, "ann", f"remark {number}")
    shop.add_comment(SHOP, 7, WORKFLOW_USER, body_of(FIRST))
    assert astuple(post(shop, SECOND))[1:2] == (False,)
    assert texts(shop)[200:] == [(WORKFLOW_USER, body_of(SECOND))]


@pytest.mark.thorough
def test_workflows_with_different_keys_keep_comments_of_their_own(shop: Github) -> None:
    keys = ("default", "nightly", "night")
    for text in ("first", "second"):
        for key in keys:
            post(shop, draft(f"{text} of {key}", settings=CommentSettings(key)))
    assert [body.split("\n")[1] for _, body in texts(shop)] == [f"second of {key}" for key in keys]


@pytest.mark.thorough
def test_a_comment_of_an_earlier_version_is_ours_too(shop: Github) -> None:
    shop.add_comment(SHOP, 7, WORKFLOW_USER, "<!-- membudget:default -->\nover budget")
    post(shop, draft("fine", run(1)))
    assert texts(shop) == [(WORKFLOW_USER, body_of(draft("fine", run(1))))]


@pytest.mark.thorough
@pytest.mark.parametrize("mode", list(CommentMode))
@pytest.mark.parametrize("new", [False, True])
def test_when_there_is_a_comment(shop: Github, mode: CommentMode, new: bool) -> None:
    outcome = post(shop, draft(settings=CommentSettings(mode=mode), new=new))
    created = new and mode is not CommentMode.OFF
    assert len(texts(shop)) == created
    assert isinstance(outcome, Posted if created else NotPosted)
    assert isinstance(outcome, Posted) or outcome.is_wanted


@pytest.mark.thorough
@pytest.mark.parametrize("mode", list(CommentMode))
def test_once_there_it_is_kept_current(shop: Github, mode: CommentMode) -> None:
    post(shop, FIRST)
    post(shop, draft("within budget", settings=CommentSettings(mode=mode), new=False))
    assert texts(shop) == [(WORKFLOW_USER, body_of(FIRST if mode is CommentMode.OFF else SECOND))]


def test_comments_that_are_off_ask_nothing(shop: Github) -> None:
    post(shop, draft(settings=CommentSettings(mode=CommentMode.OFF)))
    assert shop.requests == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("before", "after"), [(run(8), run(9)), (run(8), run(8, 2)), (run(8), run(8)), (run(9, 3, OLD_HEAD), run(10))]
)
def test_a_newer_run_replaces_what_an_older_one_said(shop: Github, before: WorkflowRun, after: WorkflowRun) -> None:
    post(shop, draft("before", before))
    assert isinstance(post(shop, draft("after", after)), Posted)
    assert texts(shop) == [(WORKFLOW_USER, body_of(draft("after", after)))]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("before", "late"), [(run(9), run(8)), (run(8, 2), run(8)), (run(9), run(8, 5)), (run(9), run(8, head=OLD_HEAD))]
)
def test_an_older_run_replaces_nothing(shop: Github, before: WorkflowRun, late: WorkflowRun) -> None:
    post(shop, draft("before", before))
    assert post(shop, draft("late", late)) == NotPosted(ANOTHER_IS_NEWER, is_wanted=True)
    assert texts(shop) == [(WORKFLOW_USER, body_of(draft("before", before)))]


@pytest.mark.thorough
def test_numbers_that_start_again_with_a_renamed_workflow_do_not_silence_it(shop: Github) -> None:
    post(shop, draft("before", run(57, head=OLD_HEAD)))
    assert isinstance(post(shop, draft("after", run(1))), Posted)
    assert texts(shop) == [(WORKFLOW_USER, body_of(draft("after", run(1))))]


@pytest.mark.thorough
def test_a_late_run_of_a_workflow_by_its_old_name_replaces_nothing(shop: Github) -> None:
    """Its number is higher, and its run is older: ids count the runs of all workflows."""
    new, late = WorkflowRun(2_000_000, 1, 1, HEAD), WorkflowRun(1_900_000, 57, 1, OLD_HEAD)
    post(shop, draft("new", new))
    assert post(shop, draft("late", late)) == NotPosted(ANOTHER_IS_NEWER, is_wanted=True)
    assert texts(shop) == [(WORKFLOW_USER, body_of(draft("new", new)))]


@pytest.mark.thorough
def test_unchanged_content_is_not_written_again_by_a_later_run(shop: Github) -> None:
    post(shop, draft("same", run(1)))
    assert isinstance(post(shop, draft("same", run(2))), Posted)
    assert [request.method for request in shop.requests].count("PATCH") == 0


class Rival:
    """Posts between our look and our creation, as another job may."""

    def __init__(self, shop: Github, what: Draft) -> None:
        self._shop, self._what, self._bodies = shop, what, list[str]()

    def before(self, ours: Draft) -> Draft:
        """`ours`, which is written only after the rival has posted."""

        def body(existing: str | None) -> str:
            if not self._bodies:
                self._bodies.append(body_of(self._what))
                self._shop.add_comment(SHOP, 7, WORKFLOW_USER, self._bodies[0])
            return ours.body(existing)

        return Draft(ours.settings, ours.run, is_worth_creating=True, body=body, is_same=ours.is_same)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("rival", "ours", "left"), [(run(8), run(9), "ours"), (run(9), run(8), "rival"), (run(9), run(9), "rival")]
)
def test_of_two_that_create_at_once_the_newer_one_stays(
    shop: Github, rival: WorkflowRun, ours: WorkflowRun, left: str
) -> None:
    post(shop, Rival(shop, draft("rival", rival)).before(draft("ours", ours)))
    assert [body.split("\n")[1] for _, body in texts(shop)] == [left]


@pytest.mark.thorough
def test_doubles_that_were_left_are_removed_by_the_next_run(shop: Github) -> None:
    for number in (3, 4, 5):
        shop.add_comment(SHOP, 7, WORKFLOW_USER, body_of(draft("twice", run(number))))
    shop.add_comment(SHOP, 7, "ann", body_of(draft("mine", run(4))))
    first = shop.comments(SHOP, 7)[0].id
    post(shop, draft("once", run(6)))
    assert texts(shop) == [(WORKFLOW_USER, body_of(draft("once", run(6)))), ("ann", body_of(draft("mine", run(4))))]
    assert shop.comments(SHOP, 7)[0].id == first


@pytest.mark.thorough
@pytest.mark.parametrize(
    "forged",
    [
        f"<!-- membudget:default head={HEAD} run=1 number=999999999999 attempt=1 -->",
        f"<!-- membudget:default head={HEAD} run=1 number=99 attempt=1 --> x",
        f"<!-- membudget:default head={HEAD} run=1 number=99 -->",
        f"<!-- membudget:default  head={HEAD} run=1 number=99 attempt=1 -->",
        f"<!-- membudget:default head={HEAD} run=1 number=\N{ARABIC-INDIC DIGIT NINE}9 attempt=1 -->",
        f"<!-- membudget:default head={HEAD} run=1 number=9\n9 attempt=1 -->",
    ],
)
def test_a_marker_that_is_not_exactly_ours_names_no_run(shop: Github, forged: str) -> None:
    shop.add_comment(SHOP, 7, WORKFLOW_USER, f"{forged}\nold")
    assert isinstance(post(shop, draft("new", run(1))), Posted)
    assert texts(shop) == [(WORKFLOW_USER, body_of(draft("new", run(1))))]


@pytest.mark.thorough
@pytest.mark.parametrize("others", [0, 99, 100, 101, 350])
@pytest.mark.parametrize("kind", ["create", "edit", "person"])
def test_it_takes_five_requests_and_one_more_for_each_further_hundred_comments(
    shop: Github, others: int, kind: str
) -> None:
    token = shop.add_token("ann") if kind == "person" else shop.add_workflow_token()
    for number in range(others):
        shop.add_comment(SHOP, 7, "bob", f"remark {number}")
    if kind != "create":
        post(shop, draft("before", run(1)), token)
        shop.requests.clear()
    assert isinstance(post(shop, draft("after", run(2)), token), Posted)
    further = max(0, -(-others // 100) - 1)
    assert len(shop.requests) <= 4 + further  # one is left for the state of the commit


@pytest.mark.thorough
def test_a_read_only_token_costs_the_comment_and_says_what_would_help(shop: Github) -> None:
    outcome = post(shop, token=shop.add_workflow_token(Permission.READ))
    assert outcome == NotPosted(
        "the token may not write comments: give the job `permissions: pull-requests: write` (a fork's token never may)"
    )
    assert texts(shop) == []


@pytest.mark.thorough
def test_a_read_only_token_cannot_edit_either(shop: Github) -> None:
    post(shop, FIRST)
    assert isinstance(post(shop, SECOND, shop.add_workflow_token(Permission.READ)), NotPosted)
    assert texts(shop) == [(WORKFLOW_USER, body_of(FIRST))]


@pytest.mark.thorough
def test_a_token_that_github_does_not_know(shop: Github) -> None:
    assert post(shop, token="ghs_expired") == NotPosted("GitHub does not accept the token")
    assert post(shop, token="ghp_expired") == NotPosted("GitHub does not accept the token")


@pytest.mark.thorough
def test_a_token_that_sees_nothing(shop: Github) -> None:
    outcome = post(shop, token=shop.add_token("ann", Permission.NONE))
    assert outcome == NotPosted("GitHub does not know this pull request, or does not show it to this token")


def test_a_body_that_is_too_long(shop: Github) -> None:
    assert post(shop, draft("x" * LONGEST_BODY)) == NotPosted("GitHub answered 422: Validation Failed")


def test_a_locked_conversation(shop: Github) -> None:
    shop.fail_next(403, "Unable to create comment because issue is locked.", method="POST")
    outcome = post(shop)
    assert outcome == NotPosted("GitHub answered 403: Unable to create comment because issue is locked.")


@pytest.mark.thorough
def test_a_server_that_stumbles_is_asked_again(shop: Github) -> None:
    shop.fail_next(502)
    assert astuple(post(shop))[1:2] == (True,)
    shop.fail_next(503, method="PATCH")
    assert astuple(post(shop, SECOND))[1:2] == (False,)
    assert texts(shop) == [(WORKFLOW_USER, body_of(SECOND))]


@pytest.mark.thorough
@pytest.mark.parametrize("too_late", [False, True])
def test_a_creation_that_failed_is_looked_at_before_it_is_repeated(shop: Github, too_late: bool) -> None:
    shop.fail_next(502, method="POST", too_late=too_late)
    assert isinstance(post(shop), Posted)
    assert texts(shop) == [(WORKFLOW_USER, body_of(FIRST))]


@pytest.mark.thorough
@pytest.mark.parametrize("status", [200, 201, 302, 403, 408, 422, 502])
@pytest.mark.parametrize("raw", [b"<html>log in</html>", b"", b'{"id": 1'])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("token", ["a workflow's", "a person's"])
def test_a_comment_that_is_there_though_a_proxy_answered_is_told_as_that(
    shop: Github, status: int, raw: bytes, times: int, token: str
) -> None:
    ours = shop.add_workflow_token() if token == "a workflow's" else shop.add_token("ann")
    shop.fail_next(status, raw=raw, method="POST", too_late=True, times=times)
    outcome = post(shop, draft("over", run(3)), ours)
    (comment,) = shop.comments(SHOP, 7)
    assert astuple(outcome)[:1] == (comment.html_url,)
    assert [request.method for request in shop.requests].count("POST") == 1


@pytest.mark.thorough
@pytest.mark.parametrize("status", [200, 403, 502])
def test_a_comment_is_created_once_where_a_proxy_answered_before_it_was(shop: Github, status: int) -> None:
    shop.fail_next(status, raw=b"<html>", method="POST")
    assert astuple(post(shop))[1:2] == (True,)
    assert texts(shop) == [(WORKFLOW_USER, body_of(FIRST))]


@pytest.mark.thorough
def test_a_comment_whose_confirmation_is_cut_off_is_there_once(shop: Github) -> None:
    shop.fail_next(201, headers={"Content-Length": "400"}, raw=b'{"id": 1', method="POST", too_late=True)
    assert post(shop) == Posted(shop.comments(SHOP, 7)[0].html_url, created=True)
    assert [request.method for request in shop.requests].count("POST") == 1


@pytest.mark.thorough
def test_the_last_try_is_looked_at_too(shop: Github) -> None:
    shop.fail_next(502, raw=b"<html>", method="POST")
    shop.fail_next(502, raw=b"<html>", method="POST", too_late=True)
    outcome = post(shop)
    assert outcome == Posted(shop.comments(SHOP, 7)[0].html_url, created=True)
    assert [request.method for request in shop.requests].count("POST") == 2


@pytest.mark.thorough
def test_an_edit_that_a_proxy_answered_is_looked_at(shop: Github) -> None:
    post(shop, FIRST)
    shop.fail_next(200, raw=b"<html>", method="PATCH", too_late=True)
    assert isinstance(post(shop, SECOND), Posted)
    assert texts(shop) == [(WORKFLOW_USER, body_of(SECOND))]
    assert [request.method for request in shop.requests].count("PATCH") == 1


@pytest.mark.thorough
def test_what_nobody_could_look_at_is_not_told_as_known(shop: Github) -> None:
    shop.fail_next(502, raw=b"<html>", method="POST", too_late=True)
    shop.fail_next(502, raw=b"<html>", times=100)
    assert post(shop) == NotPosted("GitHub answered 502", is_known=False)
    assert len(texts(shop)) == 1


def test_what_github_itself_refuses_is_not_looked_at(shop: Github) -> None:
    shop.fail_next(403, "no", method="POST")
    assert post(shop) == NotPosted("GitHub answered 403: no")
    assert [request.method for request in shop.requests] == ["GET", "POST"]


@pytest.mark.thorough
def test_a_server_that_is_down(shop: Github, waits: list[float]) -> None:
    shop.fail_next(502, times=100)
    assert post(shop, waits=waits) == NotPosted("GitHub answered 502: Server Error")
    assert len(shop.requests) < 10
    assert sum(waits) < 5


@pytest.mark.thorough
def test_a_proxy_that_answers_for_a_server_that_is_down(shop: Github) -> None:
    shop.fail_next(504, method="POST", raw=b"<html>Gateway Timeout</html>", times=2)
    assert post(shop) == NotPosted("GitHub answered 504")


@pytest.mark.thorough
@pytest.mark.parametrize("raw", [b"<html>log in</html>", b'{"a": 1}', b"[1]", b'[{"body": 1}]', b"", b"\xff"])
def test_something_that_is_not_github(shop: Github, raw: bytes) -> None:
    shop.fail_next(200, raw=raw, times=100)
    assert post(shop) == NotPosted("the answer does not come from GitHub's API: check GITHUB_API_URL")


def test_a_server_that_is_not_there(shop: Github) -> None:
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        url = f"http://localhost:{unused.getsockname()[1]}"
        outcome = commenter(shop, shop.add_workflow_token(), url=url).post(PULL_REQUEST, FIRST)
    assert outcome == NotPosted("GitHub cannot be reached: ConnectionError")


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_short_wait_that_github_asks_for_is_kept(shop: Github, method: str, waits: list[float]) -> None:
    shop.fail_next(403, "You have exceeded a secondary rate limit.", {"Retry-After": "7"}, method=method)
    assert isinstance(post(shop, waits=waits), Posted)
    assert waits == [7]
    assert len(texts(shop)) == 1


@pytest.mark.thorough
def test_a_minute_that_github_asks_for_is_waited_for_after_it_has_stumbled(shop: Github, waits: list[float]) -> None:
    shop.fail_next(502, method="GET")
    shop.fail_next(403, "You have exceeded a secondary rate limit.", {"Retry-After": "60"}, method="GET")
    assert isinstance(post(shop, waits=waits), Posted)
    assert waits == [0.2, 60]


def test_a_limit_that_names_no_time_is_waited_for_once(shop: Github, waits: list[float]) -> None:
    shop.fail_next(403, "You have exceeded a secondary rate limit.", times=2)
    assert post(shop, waits=waits) == NotPosted("GitHub's rate limit is used up")
    assert waits == [60]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "fault",
    [
        (403, "You have exceeded a secondary rate limit.", {"Retry-After": "3600"}),
        (403, "API rate limit exceeded for installation.", {"X-RateLimit-Reset": "4102444800"}),
        (429, "Too many requests", {"Retry-After": "3600"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_long_wait_is_not_worth_a_comment(
    shop: Github, fault: tuple[int, str, dict[str, str]], method: str, waits: list[float]
) -> None:
    shop.fail_next(*fault, method=method, times=100)
    assert post(shop, waits=waits) == NotPosted("GitHub's rate limit is used up")
    assert waits == []
    assert texts(shop) == []


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_repository_that_has_moved_is_said_to_have(shop: Github, method: str) -> None:
    """Reading follows it, as requests does; writing elsewhere than we were told to is not for us to decide."""
    if method == "PATCH":
        post(shop, FIRST)
    moved = {"Location": f"{shop.url}/repositories/1/issues"}
    shop.fail_next(307, headers=moved, method=method, raw=b'{"message": "Moved Permanently"}')
    assert post(shop, SECOND) == NotPosted("GitHub answered 307: Moved Permanently")


@pytest.mark.thorough
def test_a_comment_that_somebody_deletes_meanwhile_is_created_anew(shop: Github) -> None:
    post(shop, FIRST)

    def body(existing: str | None) -> str:
        if existing is not None:
            shop.state.repositories[SHOP].comments.clear()
        return body_of(SECOND)

    outcome = post(shop, Draft(SETTINGS, None, is_worth_creating=True, body=body))
    assert astuple(outcome)[1:2] == (True,)
    assert texts(shop) == [(WORKFLOW_USER, body_of(SECOND))]


def test_what_github_says_is_told_on_one_line(shop: Github) -> None:
    shop.fail_next(422, "no\n::error::gotcha\x1b[31m")
    assert post(shop) == NotPosted("GitHub answered 422: no ::error::gotcha")


@pytest.mark.parametrize("address", ["nonsense", "ftp://localhost", "https://", "https://localhost/a b"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address of a GitHub API"):
        HttpApi(address, SecretStr("token"), GITHUB)


def test_an_address_with_a_password_is_refused_without_quoting_it() -> None:
    with pytest.raises(ConfigurationError) as refused:
        HttpApi("https://bot:secret@localhost", SecretStr("token"), GITHUB)
    assert str(refused.value) == "GITHUB_API_URL: is no address of a GitHub API: http or https, a host, a port, a path"
