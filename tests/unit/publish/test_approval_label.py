"""The label: what it approved is kept in our own comment, and it is taken off when that has changed."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.budgets.loosening import LabelState
from membudget.publish.approval_label import ApprovalLabel, approval_line, approved_digest, label_state
from membudget.publish.comment import CommentSettings
from membudget.publish.server import Event
from membudget.publish.servers.github_event import read_event
from membudget.publish.servers.github_server import GithubServer
from tests.support.github_operations import Permission
from tests.support.github_server import WORKFLOW_USER, Github

SHOP, LABEL = "octo/shop", "memory-budget-approved"
PREFIX = CommentSettings().prefix
DIGEST = "d" * 64
RECORD = approval_line(DIGEST)
MARKER = f"{PREFIX}-->"


def event(folder: Path, action: str, *labels: str, changed: str | None = None) -> Event:
    payload = {
        "action": action,
        "pull_request": {
            "number": 7,
            "base": {"sha": "a" * 40},
            "head": {"sha": "b" * 40},
            "labels": [{"name": name} for name in labels],
        },
        **({"label": {"name": changed}} if changed is not None else {}),
    }
    path = folder / "event.json"
    path.write_text(json.dumps(payload))
    given = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path), "GITHUB_REPOSITORY": SHOP}
    return read_event(given)


@pytest.mark.parametrize(
    ("action", "labels", "changed", "is_fresh"),
    [
        ("labeled", [LABEL], LABEL, True),
        ("labeled", [LABEL, "bug"], "bug", False),
        ("labeled", ["bug"], "bug", False),
        ("opened", [LABEL], None, True),
        ("opened", [], None, False),
        ("label_updated", [LABEL], None, True),
        ("synchronize", [LABEL], None, False),
        ("reopened", [LABEL], None, False),
        ("edited", [LABEL], None, False),
        ("unlabeled", [LABEL], "bug", False),
        ("unlabeled", [], LABEL, False),
    ],
)
def test_whether_the_label_was_set_at_this_head(
    tmp_path: Path, action: str, labels: list[str], changed: str | None, is_fresh: bool
) -> None:
    found = label_state(event(tmp_path, action, *labels, changed=changed), LABEL)
    assert found == LabelState(LABEL in labels, is_fresh)


def test_where_there_is_no_pull_request_nobody_is_asked() -> None:
    assert label_state(Event(), LABEL) is None


@pytest.fixture
def shop(github: Github) -> Github:
    github.add_pull_request(SHOP, 7, "b" * 40)
    github.state.repository(SHOP).pull_requests[7].labels.update([LABEL, "bug"])
    return github


def label_of(shop: Github, of: Event, token: str | None = None) -> ApprovalLabel:
    secret = SecretStr(shop.add_workflow_token() if token is None else token)
    server = GithubServer({"GITHUB_API_URL": shop.url, "GITHUB_REPOSITORY": SHOP}, secret)
    return ApprovalLabel(server, of, LABEL, PREFIX)


def labels(shop: Github) -> set[str]:
    return shop.state.repository(SHOP).pull_requests[7].labels


def test_after_a_push_our_comment_says_what_was_approved(shop: Github, tmp_path: Path) -> None:
    shop.add_comment(SHOP, 7, WORKFLOW_USER, f"{MARKER}\n{RECORD}\nall is well")
    found = label_of(shop, event(tmp_path, "synchronize", LABEL)).state()
    assert found == LabelState(is_set=True, approved=DIGEST)


@pytest.mark.thorough
@pytest.mark.parametrize("author", ["mallory", "other[bot]"])
def test_what_anybody_else_writes_approves_nothing(shop: Github, tmp_path: Path, author: str) -> None:
    shop.add_comment(SHOP, 7, author, f"{MARKER}\n{RECORD}\nall is well")
    assert label_of(shop, event(tmp_path, "synchronize", LABEL)).state() == LabelState(is_set=True)


def test_nobody_is_asked_where_the_event_says_it_all(shop: Github, tmp_path: Path) -> None:
    for of in (event(tmp_path, "labeled", LABEL, changed=LABEL), event(tmp_path, "synchronize"), Event()):
        label = label_of(shop, of)
        label.state()
        label.withdraw()
    assert shop.requests == []
    assert labels(shop) == {LABEL, "bug"}


def test_the_label_is_taken_off_and_no_other(shop: Github, tmp_path: Path) -> None:
    label = label_of(shop, event(tmp_path, "synchronize", LABEL))
    assert label.state() == LabelState(is_set=True)
    label.withdraw()
    assert labels(shop) == {"bug"}


def test_a_label_that_went_meanwhile_is_fine(shop: Github, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = label_of(shop, event(tmp_path, "synchronize", LABEL))
    label.state()
    labels(shop).discard(LABEL)
    label.withdraw()
    assert "was removed" in capsys.readouterr().err


def test_a_comment_that_cannot_be_read_approves_nothing_and_takes_no_label_off(shop: Github, tmp_path: Path) -> None:
    shop.fail_next(404, "Not Found")
    label = label_of(shop, event(tmp_path, "synchronize", LABEL))
    assert label.state() == LabelState(is_set=True)
    label.withdraw()
    assert labels(shop) == {LABEL, "bug"}


def test_a_label_stays_if_a_rate_limit_hides_whose_comment_it_is(shop: Github, tmp_path: Path) -> None:
    shop.add_comment(SHOP, 7, "ann", f"{MARKER}\n{RECORD}\nall is well")
    shop.fail_next(403, "API rate limit exceeded.", {"X-RateLimit-Reset": "4102444800"}, path="/user")
    label = label_of(shop, event(tmp_path, "synchronize", LABEL), shop.add_token("ann"))
    assert label.state() == LabelState(is_set=True)
    label.withdraw()
    assert labels(shop) == {LABEL, "bug"}


def test_a_token_that_may_not_write_says_so(shop: Github, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label = label_of(shop, event(tmp_path, "synchronize", LABEL), shop.add_workflow_token(Permission.READ))
    label.state()
    label.withdraw()
    assert labels(shop) == {LABEL, "bug"}
    assert "may not write labels" in capsys.readouterr().err


@pytest.mark.thorough
def test_without_a_token_only_the_event_counts(shop: Github, tmp_path: Path) -> None:
    label = label_of(shop, event(tmp_path, "synchronize", LABEL), "")
    assert label.state() == LabelState(is_set=True)
    label.withdraw()
    assert shop.requests == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        MARKER,
        f"{MARKER}\ntext\n{RECORD}",
        f"{MARKER}\n> {RECORD}",
        f"{MARKER}\n{RECORD} and more",
        f"{MARKER}\n{RECORD}\n{approval_line('e' * 64)}",
        f"{MARKER}\n{RECORD.upper()}",
    ],
)
def test_a_record_is_one_hidden_line_above_the_text(body: str) -> None:
    assert approved_digest(body) is None


def test_a_record_survives_the_ends_of_line_of_servers() -> None:
    assert approved_digest(f"{MARKER}\r\n{RECORD}\r\ntext") == DIGEST
