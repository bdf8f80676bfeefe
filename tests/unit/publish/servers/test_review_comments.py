"""Suggestions on lines of the diff, over HTTP, on the stand-in of GitHub."""

from functools import partial

import pytest
from pydantic import SecretStr

from membudget.publish.pull_request import NotPosted, PullRequest
from membudget.publish.servers.github_api import GITHUB, github_names
from membudget.publish.servers.http_api import HttpApi
from membudget.publish.servers.review_comments import ReviewComments
from membudget.publish.suggestions import ANOTHER_HEAD, MOST_SUGGESTIONS, SETTLED, Suggested, keep_suggestions
from membudget.report.formats.suggestions import Suggestion
from tests.support.github_operations import Permission
from tests.support.github_server import WORKFLOW_USER, Github

SHOP, HEAD = "octo/shop", "b" * 40
FILE = "deploy/api.yaml"
PATCH = "@@ -9,3 +9,4 @@ containers:\n   - name: api\n-    memory: 256Mi\n+    memory: 128Mi\n+    # tight\n     x: 1"
LOW = Suggestion(FILE, 10, "    memory: 128Mi", "too low\n\n```suggestion\n    memory: 230Mi\n```")
MARKER = "<!-- membudget-suggestion:default -->"

pytestmark = pytest.mark.thorough


@pytest.fixture
def shop(github: Github) -> Github:
    """A pull request that changes a manifest."""
    github.add_pull_request(SHOP, 7, HEAD)
    github.add_file(SHOP, 7, FILE, PATCH)
    return github


def suggest(
    shop: Github,
    *wanted: Suggestion,
    token: str | None = None,
    head: str = HEAD,
    key: str = "default",
    new: bool = True,
) -> Suggested | NotPosted:
    """What a workflow run does: a process of its own each time."""
    secret = SecretStr(token or shop.add_workflow_token())
    api = HttpApi(shop.url, secret, GITHUB, sleep=lambda _: None)
    server = ReviewComments(api, github_names(secret), PullRequest(SHOP, 7))
    return keep_suggestions(server, wanted, key, head, may_create=new)


def shown(shop: Github) -> list[tuple[str, str, int | None, str]]:
    return [(one.author, one.path, one.line, one.body) for one in shop.review_comments(SHOP)]


def test_a_suggestion_is_posted_at_its_line(shop: Github) -> None:
    assert suggest(shop, LOW) == Suggested(posted=1)
    assert shown(shop) == [(WORKFLOW_USER, FILE, 10, f"{MARKER}\n{LOW.body}")]
    assert shop.review_comments(SHOP)[0].commit == HEAD


def test_a_second_run_posts_nothing_again(shop: Github) -> None:
    suggest(shop, LOW)
    shop.requests.clear()
    assert suggest(shop, LOW) == Suggested()
    assert len(shown(shop)) == 1
    assert {request.method for request in shop.requests} == {"GET"}


def test_other_figures_edit_the_suggestion(shop: Github) -> None:
    suggest(shop, LOW)
    other = Suggestion(FILE, 10, LOW.before, "much too low")
    assert suggest(shop, other) == Suggested(edited=1)
    assert [body for *_, body in shown(shop)] == [f"{MARKER}\nmuch too low"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        Suggestion(FILE, 8, "  containers:", "x"),
        Suggestion(FILE, 10, "    memory: 256Mi", "the line is another"),
        Suggestion("deploy/other.yaml", 10, LOW.before, "the file did not change"),
    ],
)
def test_lines_outside_of_the_diff_get_no_suggestion(shop: Github, elsewhere: Suggestion) -> None:
    assert suggest(shop, elsewhere) == Suggested()
    assert shown(shop) == []


def test_a_file_without_a_diff_gets_no_suggestion(shop: Github) -> None:
    shop.add_file(SHOP, 7, "deploy/large.yaml", None)
    assert suggest(shop, Suggestion("deploy/large.yaml", 1, "", "x")) == Suggested()


def test_a_suggestion_goes_when_its_finding_does(shop: Github) -> None:
    suggest(shop, LOW)
    assert suggest(shop) == Suggested(removed=1)
    assert shown(shop) == []


def test_a_suggestion_with_replies_stays_and_says_that_it_is_settled(shop: Github) -> None:
    suggest(shop, LOW)
    (ours,) = shop.review_comments(SHOP)
    shop.add_reply(SHOP, ours, "ann", "why?")
    assert suggest(shop) == Suggested(removed=1)
    assert [body for *_, body in shown(shop)] == [f"{MARKER}\n{SETTLED}", "why?"]
    assert suggest(shop) == Suggested()
    assert suggest(shop, LOW) == Suggested(edited=1)


def test_an_outdated_suggestion_is_replaced_by_one_at_the_line_of_today(shop: Github) -> None:
    suggest(shop, LOW)
    shop.review_comments(SHOP)[0].line = None
    assert suggest(shop, LOW) == Suggested(posted=1, removed=1)
    assert [line for _, _, line, _ in shown(shop)] == [10]


def test_comments_of_others_and_of_other_keys_are_left_alone(shop: Github) -> None:
    suggest(shop, LOW, key="nightly")
    suggest(shop, LOW, token=shop.add_token("ann"))
    before = shown(shop)
    assert suggest(shop) == Suggested()
    assert shown(shop) == before


def test_no_more_are_posted_than_a_person_reads(shop: Github) -> None:
    lines = "".join(f"\n+line {number}" for number in range(1, 31))
    shop.add_file(SHOP, 7, "many.yaml", f"@@ -0,0 +1,30 @@{lines}")
    wanted = [Suggestion("many.yaml", number, f"line {number}", "x") for number in range(1, 31)]
    assert suggest(shop, *wanted) == Suggested(posted=MOST_SUGGESTIONS)
    assert suggest(shop, *wanted) == Suggested()


def test_nothing_is_posted_about_a_head_that_is_no_more(shop: Github) -> None:
    assert suggest(shop, LOW, head="c" * 40) == ANOTHER_HEAD
    assert shown(shop) == []


def test_where_no_comment_is_wanted_none_is_new(shop: Github) -> None:
    assert suggest(shop, LOW, new=False) == Suggested()
    suggest(shop, LOW)
    assert suggest(shop, LOW, new=False) == Suggested()
    assert suggest(shop, new=False) == Suggested(removed=1)


def test_the_token_of_a_fork_is_told_what_it_lacks(shop: Github) -> None:
    outcome = suggest(shop, LOW, token=shop.add_workflow_token(Permission.READ))
    assert isinstance(outcome, NotPosted)
    assert "pull-requests: write" in outcome.reason


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_failing_server_is_a_reason_and_no_error(shop: Github, method: str) -> None:
    shop.fail_next(422, "Validation Failed", method=method)
    outcome = suggest(shop, LOW)
    assert isinstance(outcome, NotPosted)
    assert "422" in outcome.reason


def test_a_comment_that_the_server_made_without_saying_so_is_found_by_the_next_run(shop: Github) -> None:
    shop.fail_next(502, method="POST", too_late=True)
    post = partial(suggest, shop, LOW)
    assert isinstance(post(), NotPosted)
    assert post() == Suggested()
    assert len(shown(shop)) == 1
