"""Issues, over HTTP, on the stand-ins of GitHub and of Forgejo."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from membudget.publish.comment import ANOTHER_IS_NEWER, Comment, CommentSettings, Draft, keep_current
from membudget.publish.pull_request import NotPosted, Posted
from membudget.publish.servers.forgejo import FORGEJO, forgejo_names
from membudget.publish.servers.github_api import GITHUB, github_names
from membudget.publish.servers.http_api import HttpApi
from membudget.publish.servers.issues import ApiIssues, IssueList
from tests.support.forgejo_server import API, Forgejo, running_forgejo
from tests.support.github_operations import Permission
from tests.support.github_server import WORKFLOW_USER, Github

SHOP = "octo/shop"
SETTINGS = CommentSettings("step.1a2b")
MARKER = SETTINGS.marker(None)
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
"""The stand-ins have real times."""
pytestmark = pytest.mark.thorough


def draft(text: str = "it grew", settings: CommentSettings = SETTINGS) -> Draft:
    body = f"{settings.marker(None)}\n{text}\n"
    return Draft(settings, None, is_worth_creating=True, body=lambda _: body, is_same=lambda there: there == body)


@pytest.fixture
def shop(github: Github) -> Github:
    """A repository with a pull request, which the lists of issues have as well."""
    github.add_pull_request(SHOP, 7)
    return github


def issues(
    shop: Github, token: str | None = None, title: str = "api grew", since: datetime | None = None
) -> Callable[[], ApiIssues]:
    """What a process of its own does each time."""
    secret = SecretStr(token or shop.add_workflow_token())
    api = HttpApi(shop.url, secret, GITHUB, sleep=lambda _: None)
    return lambda: IssueList(api, github_names(secret), SHOP, since).titled(title)


def tell(shop: Github, what: Draft | None = None, token: str | None = None) -> Posted | NotPosted:
    return keep_current(issues(shop, token), what or draft(), lambda: None)


def shown(shop: Github) -> list[tuple[int, str | None, str, str]]:
    return [(one.number, one.author, one.body, one.state) for one in shop.issues(SHOP)]


def test_an_issue_is_opened_once(shop: Github) -> None:
    first = tell(shop)
    assert first == Posted(f"https://github.com/{SHOP}/issues/8", created=True)
    assert shown(shop) == [(8, WORKFLOW_USER, f"{MARKER}\nit grew\n", "open")]
    assert shop.issues(SHOP)[0].title == "api grew"
    assert tell(shop) == Posted(f"https://github.com/{SHOP}/issues/8", created=False, written=False)
    assert len(shown(shop)) == 1


def test_other_figures_edit_the_issue(shop: Github) -> None:
    tell(shop)
    assert tell(shop, draft("it grew more")) == Posted(f"https://github.com/{SHOP}/issues/8", created=False)
    assert [body for _, _, body, _ in shown(shop)] == [f"{MARKER}\nit grew more\n"]


def test_another_step_has_an_issue_of_its_own(shop: Github) -> None:
    tell(shop)
    assert tell(shop, draft(settings=CommentSettings("step.3c4d"))) == Posted(
        f"https://github.com/{SHOP}/issues/9", created=True
    )


def test_an_issue_that_was_closed_is_not_opened_again(shop: Github) -> None:
    tell(shop)
    shop.issues(SHOP)[0].state = "closed"
    tell(shop, draft("it grew more"))
    assert [(number, state) for number, _, _, state in shown(shop)] == [(8, "closed")]


def test_a_marker_that_somebody_copied_is_left_alone(shop: Github) -> None:
    shop.add_issue(SHOP, "mallory", f"{MARKER}\nall is well")
    shop.add_issue(SHOP, None, f"{MARKER}\nall is well")
    tell(shop)
    assert [author for _, author, _, _ in shown(shop)] == ["mallory", None, WORKFLOW_USER]
    assert shown(shop)[0][2] == f"{MARKER}\nall is well"


def test_an_issue_beyond_the_first_page_is_found(shop: Github) -> None:
    tell(shop)
    for number in range(150):
        shop.add_issue(SHOP, "ann", f"issue {number}")
    assert tell(shop) == Posted(f"https://github.com/{SHOP}/issues/8", created=False, written=False)


def test_a_run_lists_the_issues_once_and_then_only_new_ones(shop: Github) -> None:
    """GITHUB_TOKEN has 1,000 requests an hour for all jobs of a repository."""
    for number in range(450):
        shop.add_issue(SHOP, "ann", f"issue {number}")
    secret = SecretStr(shop.add_workflow_token())
    listed = IssueList(HttpApi(shop.url, secret, GITHUB), github_names(secret), SHOP, None)
    for number in range(10):
        wanted = draft(settings=CommentSettings(f"step.{number}"))
        assert isinstance(keep_current(lambda: listed.titled("api grew"), wanted, lambda: None), Posted)
    methods = [one.method for one in shop.requests]
    assert (methods.count("POST"), methods.count("GET")) == (10, 5 + 9 + 10), (
        "five pages, and one look before and after"
    )
    again = keep_current(lambda: listed.titled("api grew"), draft("more", CommentSettings("step.3")), lambda: None)
    assert again == Posted(f"https://github.com/{SHOP}/issues/461", created=False)
    assert keep_current(lambda: listed.titled("x"), draft("more", CommentSettings("step.3")), lambda: None) == Posted(
        f"https://github.com/{SHOP}/issues/461", created=False, written=False
    )


def test_another_runs_issue_that_is_new_is_found(shop: Github) -> None:
    listed = issues(shop)()
    assert listed.own(SETTINGS.prefix) == []
    shop.add_issue(SHOP, WORKFLOW_USER, f"{MARKER}\nit grew\n")
    assert [one.id for one in listed.own(SETTINGS.prefix)] == [8]


def test_an_issue_that_somebody_deleted_meanwhile_is_opened_anew(shop: Github) -> None:
    listed = issues(shop)()
    keep_current(lambda: listed, draft(), lambda: None)
    shop.add_issue(SHOP, "ann", "numbers are not used again")
    del shop.state.repositories[SHOP].told.issues[8]
    told = keep_current(lambda: listed, draft("it grew more"), lambda: None)
    assert told == Posted(f"https://github.com/{SHOP}/issues/10", created=True)


def test_issues_that_are_older_than_the_commit_are_not_listed(shop: Github) -> None:
    for number in range(250):
        shop.add_issue(SHOP, "ann", f"issue {number}").updated_at = "2025-01-01T00:00:00Z"
    keep_current(issues(shop, since=YESTERDAY), draft(), lambda: None)
    assert [one.method for one in shop.requests] == ["GET", "POST", "GET"]
    assert tell(shop) == Posted(f"https://github.com/{SHOP}/issues/258", created=False, written=False)


def test_no_issue_is_opened_where_an_earlier_one_may_be_out_of_sight(
    shop: Github, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("membudget.publish.servers.http_api._MOST_PAGES", 2)
    tell(shop)
    for number in range(300):
        shop.add_issue(SHOP, "ann", f"issue {number}")
    told = tell(shop)
    assert isinstance(told, NotPosted)
    assert told.reason == "GitHub has more than 2 pages of such entries, too many to look through"
    assert len([one for one in shop.issues(SHOP) if one.body.startswith(MARKER)]) == 1


def test_of_two_runs_at_once_one_issue_stays_open(shop: Github) -> None:
    """Another run opens its issue between our look and our own."""
    connect = issues(shop)

    class Racing(ApiIssues):
        def create(self, body: str) -> Comment:
            shop.add_issue(SHOP, WORKFLOW_USER, f"{MARKER}\nit grew\n")
            return super().create(body)

    made = connect()
    made.__class__ = Racing
    assert keep_current(lambda: made, draft(), lambda: None) == NotPosted(ANOTHER_IS_NEWER, is_wanted=True)
    assert [state for *_, state in shown(shop)] == ["open", "closed"]
    assert tell(shop) == Posted(f"https://github.com/{SHOP}/issues/8", created=False, written=False)


def test_an_issue_that_the_server_made_without_an_answer_is_not_opened_twice(shop: Github) -> None:
    shop.fail_next(502, method="POST", raw=b"<html>", too_late=True)
    assert tell(shop) == Posted(f"https://github.com/{SHOP}/issues/8", created=True)
    assert len(shown(shop)) == 1


def test_a_token_without_the_right_is_told_which_one_it_needs(shop: Github) -> None:
    told = tell(shop, token=shop.add_workflow_token(Permission.READ))
    assert isinstance(told, NotPosted)
    assert told.reason == "the token may not write issues: give the job `permissions: issues: write`"


def test_a_repository_without_issues_is_named(shop: Github) -> None:
    shop.state.repositories[SHOP].told.issues_are_off = True
    told = tell(shop)
    assert isinstance(told, NotPosted)
    assert told.reason.startswith("issues are switched off in octo/shop")


@pytest.fixture
def forge() -> Iterator[Forgejo]:
    """Forgejo, with a pull request that its list of issues has as well."""
    with running_forgejo() as forgejo:
        forgejo.add_pull_request(SHOP, 7)
        yield forgejo


def test_forgejo_and_gitea_have_issues(forge: Forgejo) -> None:
    api = HttpApi(f"{forge.url}{API}", SecretStr(forge.add_workflow_token()), FORGEJO)

    def told(text: str) -> Posted | NotPosted:
        return keep_current(
            lambda: IssueList(api, forgejo_names, SHOP, YESTERDAY).titled("api grew"), draft(text), lambda: None
        )

    assert told("it grew") == Posted(f"{forge.url}/{SHOP}/issues/8", created=True)
    assert told("it grew") == Posted(f"{forge.url}/{SHOP}/issues/8", created=False, written=False)
    assert told("more") == Posted(f"{forge.url}/{SHOP}/issues/8", created=False)
    assert [(one.author, one.body) for one in forge.issues(SHOP)] == [("forgejo-actions", f"{MARKER}\nmore\n")]
