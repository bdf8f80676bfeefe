"""Which pull request and which base an event means."""

import json
from pathlib import Path
from typing import Any

import pytest

from membudget.core.errors import ConfigurationError, ExitCode
from membudget.publish.pull_request import PullRequest, WorkflowRun
from membudget.publish.server import Event, MeasuringRun
from membudget.publish.servers.github_event import read_event, this_run

BASE, HEAD = "a" * 40, "b" * 40


def environ(folder: Path, name: str, payload: Any, repository: str = "octo/shop") -> dict[str, str]:
    path = folder / "event.json"
    path.write_bytes(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), "GITHUB_REPOSITORY": repository}


def pull_request(number: Any = 7) -> dict[str, Any]:
    return {
        "action": "synchronize",
        "number": number,
        "pull_request": {
            "number": number,
            "title": "Cache\nall the things",
            "base": {"sha": BASE, "ref": "main"},
            "head": {"sha": HEAD, "ref": "more"},
        },
        "repository": {"full_name": "mallory/other"},
    }


def test_a_pull_request(tmp_path: Path) -> None:
    event = read_event(environ(tmp_path, "pull_request", pull_request()))
    assert event == Event(PullRequest("octo/shop", 7), BASE, HEAD, HEAD)


def test_the_labels_of_a_pull_request(tmp_path: Path) -> None:
    payload = pull_request()
    payload["pull_request"]["labels"] = [{"id": 1, "name": "memory-budget-approved"}, {"id": 2, "name": "bug"}]
    assert read_event(environ(tmp_path, "pull_request", payload)).labels == {"memory-budget-approved", "bug"}


def test_labels_that_are_null_are_none(tmp_path: Path) -> None:
    payload = pull_request()
    payload["pull_request"]["labels"] = None
    assert read_event(environ(tmp_path, "pull_request", payload)).labels == frozenset()


def test_a_pull_request_whose_workflow_is_the_bases(tmp_path: Path) -> None:
    event = read_event(environ(tmp_path, "pull_request_target", pull_request()))
    assert event == Event(PullRequest("octo/shop", 7), BASE, HEAD, HEAD)


def test_a_push(tmp_path: Path) -> None:
    event = read_event(environ(tmp_path, "push", {"before": BASE, "after": HEAD, "commits": []}))
    assert event == Event(base_sha=BASE, commit_sha=HEAD)


def test_a_push_that_creates_its_branch_has_no_base(tmp_path: Path) -> None:
    event = read_event(environ(tmp_path, "push", {"before": "0" * 40, "after": HEAD}))
    assert event == Event(commit_sha=HEAD)


def test_a_push_that_deletes_its_branch_has_no_commit(tmp_path: Path) -> None:
    event = read_event(environ(tmp_path, "push", {"before": BASE, "after": "0" * 40}))
    assert event == Event(base_sha=BASE)


def test_a_merge_queue(tmp_path: Path) -> None:
    payload = {"action": "checks_requested", "merge_group": {"base_sha": BASE, "head_sha": HEAD}}
    event = read_event(environ(tmp_path, "merge_group", payload))
    assert event == Event(base_sha=BASE, commit_sha=HEAD, is_queued=True)


@pytest.mark.parametrize("name", ["workflow_dispatch", "schedule"])
def test_an_event_that_compares_with_nothing(tmp_path: Path, name: str) -> None:
    assert read_event(environ(tmp_path, name, {"inputs": None})) == Event()


def test_outside_of_github_there_is_no_event() -> None:
    assert read_event({}) == Event()
    assert read_event({"GITHUB_EVENT_NAME": "", "GITHUB_EVENT_PATH": ""}) == Event()


@pytest.mark.parametrize("missing", ["GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH"])
@pytest.mark.parametrize("name", ["pull_request", "pull_request_target", "merge_group", "push"])
def test_half_an_event_is_refused(tmp_path: Path, name: str, missing: str) -> None:
    """Without the payload of a pull request nobody would have to approve what it loosens."""
    given = environ(tmp_path, name, pull_request())
    for half in ({**given, missing: ""}, {key: value for key, value in given.items() if key != missing}):
        with pytest.raises(ConfigurationError, match=f"^{missing}: is not set, although GITHUB_EVENT_") as caught:
            read_event(half)
        assert caught.value.exit_code is ExitCode.CONFIGURATION


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    ["pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment", "merge_group"],
)
@pytest.mark.parametrize("payload", [{}, {"before": BASE, "after": HEAD}, {"pull_request": None, "merge_group": None}])
def test_an_event_without_its_payload_is_refused(tmp_path: Path, name: str, payload: dict[str, Any]) -> None:
    given = environ(tmp_path, name, payload)
    with pytest.raises(ConfigurationError) as caught:
        read_event(given)
    part = "merge_group" if name == "merge_group" else "pull_request"
    assert f"the event is {name}, but its payload has no {part}" in str(caught.value)
    assert caught.value.where == given["GITHUB_EVENT_PATH"]
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_a_pull_request_and_a_merge_queue_run_code_before_it_is_merged(tmp_path: Path) -> None:
    queue = {"merge_group": {"base_sha": BASE, "head_sha": HEAD}}
    assert read_event(environ(tmp_path, "pull_request", pull_request())).is_before_merge
    assert read_event(environ(tmp_path, "merge_group", queue)).is_before_merge
    assert not read_event(environ(tmp_path, "push", {"before": BASE, "after": HEAD})).is_before_merge
    assert not Event().is_before_merge


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        ([], "Input should be an object"),
        ({"pull_request": {"number": 7}}, "pull_request.base: Field required"),
        (pull_request("seven"), "pull_request.number: Input should be a valid integer"),
        ({"merge_group": {}}, "merge_group.base_sha: Field required"),
    ],
)
def test_a_broken_event_is_named_on_one_line_without_its_content(tmp_path: Path, payload: Any, problem: str) -> None:
    given = environ(tmp_path, "pull_request", payload)
    with pytest.raises(ConfigurationError) as caught:
        read_event(given)
    assert str(caught.value).startswith(f"{given['GITHUB_EVENT_PATH']}: the workflow's event cannot be read: {problem}")
    assert "\n" not in str(caught.value)
    assert "seven" not in str(caught.value)


def test_an_event_whose_file_is_gone(tmp_path: Path) -> None:
    given = environ(tmp_path, "push", {})
    (tmp_path / "event.json").unlink()
    with pytest.raises(ConfigurationError, match="the workflow's event cannot be read: No such file or directory"):
        read_event(given)


@pytest.mark.parametrize("repository", ["", "shop", "octo/shop/../other", "octo/shop\n"])
def test_a_pull_request_is_in_a_repository(tmp_path: Path, repository: str) -> None:
    with pytest.raises(ConfigurationError, match="GITHUB_REPOSITORY: is no owner/name"):
        read_event(environ(tmp_path, "pull_request", pull_request(), repository))


def workflow_run(**changed: Any) -> dict[str, Any]:
    run = {
        "id": 4711,
        "run_number": 12,
        "run_attempt": 2,
        "event": "pull_request",
        "head_sha": HEAD,
        "head_branch": "more",
        "head_repository": {"full_name": "mallory/shop", "owner": {"login": "mallory"}},
        "pull_requests": [],
    }
    return {"action": "completed", "workflow_run": {**run, **changed}}


def test_the_run_of_another_workflow(tmp_path: Path) -> None:
    event = read_event(environ(tmp_path, "workflow_run", workflow_run()))
    run = WorkflowRun(4711, 12, 2, HEAD)
    measured = MeasuringRun(run, "pull_request", "mallory", "mallory/shop", "more")
    assert event == Event(commit_sha=HEAD, measured=measured)


def test_the_run_of_a_fork_that_is_gone(tmp_path: Path) -> None:
    measured = read_event(environ(tmp_path, "workflow_run", workflow_run(head_repository=None))).measured
    assert measured is not None
    assert measured.head_repository is None


@pytest.mark.parametrize("changed", [{"id": 0}, {"head_sha": "HEAD"}, {"head_sha": "../../x"}, {"run_attempt": None}])
def test_a_run_that_is_none(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="the workflow's event cannot be read: workflow_run"):
        read_event(environ(tmp_path, "workflow_run", workflow_run(**changed)))


def test_this_run() -> None:
    given = {"GITHUB_RUN_ID": "4711", "GITHUB_RUN_NUMBER": "12", "GITHUB_RUN_ATTEMPT": "2"}
    assert this_run(given, HEAD) == WorkflowRun(4711, 12, 2, HEAD)
    assert this_run({**given, "GITHUB_RUN_ATTEMPT": ""}, HEAD) == WorkflowRun(4711, 12, 1, HEAD)
    assert this_run(given, None) is None
    assert this_run({**given, "GITHUB_RUN_NUMBER": "a"}, HEAD) is None
    assert this_run({}, HEAD) is None


def test_the_event_names_its_run(tmp_path: Path) -> None:
    given = environ(tmp_path, "pull_request", pull_request()) | {"GITHUB_RUN_ID": "4711", "GITHUB_RUN_NUMBER": "12"}
    assert read_event(given).run == WorkflowRun(4711, 12, 1, HEAD)


def pushed(ref: str = "refs/heads/main", **repository: Any) -> dict[str, Any]:
    own = {"full_name": "octo/shop", "default_branch": "main", "fork": False, **repository}
    return {"before": BASE, "after": HEAD, "ref": ref, "repository": own}


def test_a_push_to_the_default_branch_is_one_for_the_history(tmp_path: Path) -> None:
    assert read_event(environ(tmp_path, "push", pushed())).main_commit == HEAD


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("push", pushed("refs/heads/topic")),
        ("push", pushed("refs/tags/main")),
        ("push", pushed(fork=True)),
        ("push", pushed(fork=None)),
        ("push", pushed(default_branch=None)),
        ("push", {**pushed(), "after": "0" * 40, "repository": None}),
        ("push", {**pushed(), "after": "HEAD"}),
        ("workflow_dispatch", pushed()),
        ("pull_request", pull_request()),
    ],
)
def test_nothing_else_is_for_the_history(tmp_path: Path, name: str, payload: dict[str, Any]) -> None:
    assert read_event(environ(tmp_path, name, payload)).main_commit is None


def ended(**changes: Any) -> dict[str, Any]:
    run = {
        "id": 1, "run_number": 2, "run_attempt": 1, "event": "push", "head_sha": HEAD, "head_branch": "main",
        "head_repository": {"full_name": "octo/shop", "owner": {"login": "octo"}}, **changes,
    }  # fmt: skip
    return {"workflow_run": run, "repository": {"full_name": "octo/shop", "default_branch": "main", "fork": False}}


def test_a_run_that_measured_a_push_is_for_the_history(tmp_path: Path) -> None:
    assert read_event(environ(tmp_path, "workflow_run", ended())).main_commit == HEAD


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "pull_request"},
        {"head_branch": "topic"},
        {"head_repository": None},
        {"head_repository": {"full_name": "mallory/shop", "owner": {"login": "mallory"}}},
    ],
)
def test_no_run_of_a_stranger_is_for_the_history(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert read_event(environ(tmp_path, "workflow_run", ended(**changes))).main_commit is None
