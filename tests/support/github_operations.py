"""The operations of GitHub's API that the stand-in plays (see github_server.py): who may do what, and the answers."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from werkzeug import Request
from werkzeug.routing import Map, Rule

from tests.support.github_description import GithubDescription
from tests.support.github_state import CheckRun, Comment, GithubState, PullRequest, Repository

LONGEST_BODY = 65_536
LONGEST_SUMMARY_BYTES = 65_535
MOST_ANNOTATIONS = 50
BLOBS = "/blobs/"
"""Where artifacts are, at another address than the API's."""
_MOST_PER_PAGE = 100
Key = TypeVar("Key")
Item = TypeVar("Item")


class Permission(IntEnum):
    """What a token may do in every repository."""

    NONE = 0
    READ = 1
    WRITE = 2


@dataclass(frozen=True, slots=True)
class Token:
    """Who a token stands for."""

    login: str
    permission: Permission
    is_installation: bool
    """A GitHub App's token, such as the one of a workflow: it may not ask who it is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response before it is one."""

    status: int
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """GitHub says no."""

    def __init__(self, status: int, message: str, *errors: dict[str, str]) -> None:
        super().__init__(message)
        documentation = {"documentation_url": "https://docs.github.com/rest", "status": str(status)}
        content = {"message": message, **({"errors": list(errors)} if errors else {}), **documentation}
        self.answer = Answer(status, content)


@dataclass(frozen=True, slots=True)
class Call:
    """A request of somebody that is known, for an operation that is played."""

    request: Request
    path: str
    token: Token
    state: GithubState
    content: Any

    def repository(self, owner: str, repo: str) -> Repository:
        """The repository, as far as this token sees it."""
        found = self.state.repositories.get(f"{owner}/{repo}")
        if found is None or self.token.permission < Permission.READ:
            raise Refusal(404, "Not Found")
        return found

    def writable(self, owner: str, repo: str) -> Repository:
        """The repository, when this token may write there."""
        found = self.repository(owner, repo)
        if self.token.permission < Permission.WRITE:
            kind = "integration" if self.token.is_installation else "personal access token"
            raise Refusal(403, f"Resource not accessible by {kind}")
        return found

    def page(self, repository: Repository, items: list[dict[str, Any]], name: str | None = None) -> Answer:
        """One page of a list, and links to the others as GitHub gives them: by the repository's number.

        With `name`, the list is that property of an object, beside the count of all.
        """
        arguments = self.request.args
        size = min(int(arguments.get("per_page", 30)), _MOST_PER_PAGE)
        number, last = int(arguments.get("page", 1)), max(1, -(-len(items) // size))
        below = self.path.split("/", 4)[4]
        url = f"{self.state.public_url or self.request.root_url}repositories/{repository.id}/{below}"
        pages = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        wanted = {name for name in pages if (number > 1 if name in ("prev", "first") else number < last)}
        query = "".join(f"{key}={value}&" for key, value in arguments.items() if key != "page")
        links = [f'<{url}?{query}page={page}>; rel="{name}"' for name, page in pages.items() if name in wanted]
        shown = items[(number - 1) * size : number * size]
        content = shown if name is None else {"total_count": len(items), name: shown}
        return Answer(200, content, {"Link": ", ".join(links)} if links else {})


Player = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Play:
    """An operation that is played."""

    template: str
    player: Player


ROUTES = Map()
"""Each described operation that is played, to its `Play`."""


def plays(method: str, template: str) -> Callable[[Player], Player]:
    """Route an operation of the description to a function."""

    def register(player: Player) -> Player:
        path = re.sub(r"\{(\w+_(?:number|id))\}", r"<int:\1>", template)
        rule = re.sub(r"\{(\w+)\}", r"<\1>", path)
        ROUTES.add(Rule(rule, methods=[method], endpoint=Play(template, player)))
        return player

    return register


REPOSITORY = "/repos/{owner}/{repo}"
_ISSUE = f"{REPOSITORY}/issues/{{issue_number}}"
_COMMENT = f"{REPOSITORY}/issues/comments/{{comment_id}}"
_COMMIT = f"{REPOSITORY}/commits/{{ref}}"


@plays("GET", REPOSITORY)
def _get_repository(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    found = call.repository(owner, repo)
    whole = {**description.smallest("full-repository"), "id": found.id, "name": repo, "full_name": f"{owner}/{repo}"}
    may_write = call.token.permission >= Permission.WRITE
    if not call.token.is_installation:
        whole["permissions"] = {"admin": False, "push": may_write, "pull": True}
    return Answer(200, whole)


@plays("GET", "/user")
def _who_am_i(call: Call, description: GithubDescription) -> Answer:
    if call.token.is_installation:
        raise Refusal(403, "Resource not accessible by integration")
    user = {**description.smallest("public-user"), **call.state.user(call.token.login)}
    return Answer(200, {**user, "user_view_type": "public"})


@plays("GET", REPOSITORY)
def _repository(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    return Answer(200, call.repository(owner, repo).as_json(description.smallest("full-repository")))


@plays("GET", f"{REPOSITORY}/pulls/{{pull_number}}")
def _pull_request(call: Call, description: GithubDescription, owner: str, repo: str, pull_number: int) -> Answer:
    found = _found(call.repository(owner, repo).pull_requests, pull_number)
    return Answer(200, _pull(call, description, found, "pull-request"))


@plays("GET", f"{REPOSITORY}/pulls")
def _list_pull_requests(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    repository = call.repository(owner, repo)
    state, head = call.request.args.get("state", "open"), call.request.args.get("head")
    found = [
        _pull(call, description, pull, "pull-request-simple")
        for pull in sorted(repository.pull_requests.values(), key=lambda pull: -pull.number)
        if state in (pull.state, "all") and head in (pull.head_label, None)
    ]
    return call.page(repository, found)


@plays("POST", f"{REPOSITORY}/check-runs")
def _create_check_run(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    repository = _checkable(call, owner, repo)
    given = call.content
    if not repository.has_commit(given["head_sha"]):
        raise Refusal(422, f"No commit found for SHA: {given['head_sha']}")
    created = CheckRun(call.state.next_id(), given["name"], given["head_sha"], given.get("status", "queued"))
    repository.check_runs[created.id] = created
    _update(created, given)
    return Answer(201, created.as_json(description.smallest("check-run")))


@plays("GET", f"{_COMMIT}/check-runs")
def _list_check_runs(call: Call, description: GithubDescription, owner: str, repo: str, ref: str) -> Answer:
    repository = call.repository(owner, repo)
    name, smallest = call.request.args.get("check_name"), description.smallest("check-run")
    found = [one for one in repository.check_runs.values() if one.head_sha == ref and name in (None, one.name)]
    return call.page(repository, [one.as_json(smallest) for one in found], "check_runs")


@plays("PATCH", f"{REPOSITORY}/check-runs/{{check_run_id}}")
def _update_check_run(call: Call, description: GithubDescription, owner: str, repo: str, check_run_id: int) -> Answer:
    found = _found(_checkable(call, owner, repo).check_runs, check_run_id)
    _update(found, call.content)
    return Answer(200, found.as_json(description.smallest("check-run")))


@plays("GET", f"{REPOSITORY}/actions/runs/{{run_id}}/artifacts")
def _list_artifacts(call: Call, description: GithubDescription, owner: str, repo: str, run_id: int) -> Answer:
    repository, name = call.repository(owner, repo), call.request.args.get("name")
    found = [
        artifact.as_json(description.smallest("artifact"))
        for artifact in repository.artifacts.values()
        if artifact.run == run_id and name in (artifact.name, None)
    ]
    return call.page(repository, found, "artifacts")


@plays("GET", f"{REPOSITORY}/actions/artifacts/{{artifact_id}}/{{archive_format}}")
def _download_artifact(call: Call, _: GithubDescription, owner: str, repo: str, **what: Any) -> Answer:
    """Elsewhere, as on GitHub: who follows must not bring the token."""
    artifact_id = what["artifact_id"]
    found = _found(call.repository(owner, repo).artifacts, artifact_id)
    if found.expired:
        raise Refusal(410, "Artifact has expired")
    port = call.request.host.rpartition(":")[2]
    return Answer(302, None, {"Location": f"http://127.0.0.1:{port}{BLOBS}{owner}/{repo}/{found.id}"})


@plays("GET", f"{_ISSUE}/comments")
def _list_comments(call: Call, description: GithubDescription, owner: str, repo: str, issue_number: int) -> Answer:
    repository = call.repository(owner, repo)
    _found(repository.pull_requests, issue_number)
    return call.page(
        repository, [_comment(call, description, comment) for comment in repository.comments_of(issue_number)]
    )


@plays("POST", f"{_ISSUE}/comments")
def _create_comment(call: Call, description: GithubDescription, owner: str, repo: str, issue_number: int) -> Answer:
    repository = call.writable(owner, repo)
    _found(repository.pull_requests, issue_number)
    created = call.state.add_comment(repository, issue_number, call.token.login, _body(call))
    return Answer(201, _comment(call, description, created))


@plays("DELETE", f"{_ISSUE}/labels/{{name}}")
def _remove_label(call: Call, description: GithubDescription, owner: str, repo: str, **what: Any) -> Answer:
    labels, name = _found(call.writable(owner, repo).pull_requests, what["issue_number"]).labels, what["name"]
    if name not in labels:
        raise Refusal(404, "Label does not exist")
    labels.remove(name)
    return Answer(200, [{**description.smallest("label"), "name": label} for label in sorted(labels)])


@plays("GET", _COMMENT)
def _get_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    return Answer(200, _comment(call, description, _found(call.repository(owner, repo).comments, comment_id)))


@plays("PATCH", _COMMENT)
def _edit_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    """Who may write may edit anybody's comment, as on GitHub."""
    comment = _found(call.writable(owner, repo).comments, comment_id)
    call.state.edit_comment(comment, _body(call))
    return Answer(200, _comment(call, description, comment))


@plays("DELETE", _COMMENT)
def _delete_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    comments = call.writable(owner, repo).comments
    _found(comments, comment_id)
    del comments[comment_id]
    return Answer(204)


@plays("POST", f"{REPOSITORY}/statuses/{{sha}}")
def _create_status(call: Call, description: GithubDescription, owner: str, repo: str, sha: str) -> Answer:
    repository = call.writable(owner, repo)
    if not repository.has_commit(sha):
        raise Refusal(422, f"No commit found for SHA: {sha}")
    status = call.state.add_status(repository, sha, call.token.login, call.content)
    return Answer(201, status.as_json(description.smallest("status"), call.state.user(status.creator)))


@plays("GET", f"{_COMMIT}/statuses")
def _list_statuses(call: Call, description: GithubDescription, owner: str, repo: str, ref: str) -> Answer:
    repository = call.repository(owner, repo)
    smallest = description.smallest("status")
    return call.page(
        repository,
        [status.as_json(smallest, call.state.user(status.creator)) for status in repository.statuses_of(ref)],
    )


def _comment(call: Call, description: GithubDescription, comment: Comment) -> dict[str, Any]:
    author = call.state.user(comment.author) if comment.author else None
    return comment.as_json(description.smallest("issue-comment"), author, call.request.root_url)


def _pull(call: Call, description: GithubDescription, pull: PullRequest, schema: str) -> dict[str, Any]:
    repository = call.state.repository(pull.head_repository)
    head = repository.as_json(description.smallest("repository"), call.state.user(repository.full_name.split("/")[0]))
    return pull.as_json(description.smallest(schema), head)


def _checkable(call: Call, owner: str, repo: str) -> Repository:
    """The repository, where this token may write check runs: a person's never may."""
    repository = call.writable(owner, repo)
    if not call.token.is_installation:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    return repository


def _update(check: CheckRun, given: dict[str, Any]) -> None:
    """Annotations are added to those that are there."""
    output = given.get("output", {})
    if len((output.get("summary") or "").encode()) > LONGEST_SUMMARY_BYTES:
        raise Refusal(422, f"Invalid request.\n\nOnly {LONGEST_SUMMARY_BYTES} characters are allowed")
    if len(output.get("annotations", [])) > MOST_ANNOTATIONS:
        raise Refusal(422, f"Invalid request.\n\nNo more than {MOST_ANNOTATIONS} items are allowed")
    check.status = given.get("status", check.status)
    check.conclusion = given.get("conclusion", check.conclusion)
    check.details_url = given.get("details_url", check.details_url)
    check.output = {**check.output, **{name: text for name, text in output.items() if name != "annotations"}}
    check.annotations += output.get("annotations", [])


def _found(items: Mapping[Key, Item], key: Key) -> Item:
    if key not in items:
        raise Refusal(404, "Not Found")
    return items[key]


def content_of(request: Request) -> Any:
    """The JSON that was sent, if it is that: what it should have been is the description's business."""
    try:
        return json.loads(request.get_data() or b"null")
    except ValueError:
        raise Refusal(400, "Problems parsing JSON") from None


def _body(call: Call) -> str:
    """The text of a comment."""
    body = call.content.get("body") if isinstance(call.content, dict) else None
    problem = {"resource": "IssueComment", "field": "data", "code": "unprocessable"}
    if not isinstance(body, str) or not body.strip():
        raise Refusal(422, "Validation Failed", {**problem, "message": "Body cannot be blank"})
    if len(body) > LONGEST_BODY:
        message = f"Body is too long (maximum is {LONGEST_BODY} characters)"
        raise Refusal(422, "Validation Failed", {**problem, "message": message})
    return body
