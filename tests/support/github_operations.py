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
from tests.support.github_state import Comment, GithubState, Repository

LONGEST_BODY = 65_536
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

    def page(self, repository: Repository, items: list[dict[str, Any]]) -> Answer:
        """One page of a list, and links to the others as GitHub gives them: by the repository's number."""
        arguments = self.request.args
        size = min(int(arguments.get("per_page", 30)), _MOST_PER_PAGE)
        number, last = int(arguments.get("page", 1)), max(1, -(-len(items) // size))
        below = self.path.split("/", 4)[4]
        url = f"{self.request.host_url}repositories/{repository.id}/{below}"
        pages = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        wanted = {name for name in pages if (number > 1 if name in ("prev", "first") else number < last)}
        query = "".join(f"{key}={value}&" for key, value in arguments.items() if key != "page")
        links = [f'<{url}?{query}page={page}>; rel="{name}"' for name, page in pages.items() if name in wanted]
        return Answer(200, items[(number - 1) * size : number * size], {"Link": ", ".join(links)} if links else {})


Player = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Play:
    """An operation that is played."""

    template: str
    player: Player


ROUTES = Map()
"""Each described operation that is played, to its `Play`."""


def _plays(method: str, template: str) -> Callable[[Player], Player]:
    """Route an operation of the description to a function."""

    def register(player: Player) -> Player:
        path = re.sub(r"\{(\w+_(?:number|id))\}", r"<int:\1>", template)
        rule = re.sub(r"\{(\w+)\}", r"<\1>", path)
        ROUTES.add(Rule(rule, methods=[method], endpoint=Play(template, player)))
        return player

    return register


_REPOSITORY = "/repos/{owner}/{repo}"
_ISSUE = f"{_REPOSITORY}/issues/{{issue_number}}"
_COMMENT = f"{_REPOSITORY}/issues/comments/{{comment_id}}"
_COMMIT = f"{_REPOSITORY}/commits/{{ref}}"


@_plays("GET", "/user")
def _who_am_i(call: Call, description: GithubDescription) -> Answer:
    if call.token.is_installation:
        raise Refusal(403, "Resource not accessible by integration")
    user = {**description.smallest("public-user"), **call.state.user(call.token.login)}
    return Answer(200, {**user, "user_view_type": "public"})


@_plays("GET", _REPOSITORY)
def _repository(call: Call, description: GithubDescription, owner: str, repo: str) -> Answer:
    return Answer(200, call.repository(owner, repo).as_json(description.smallest("full-repository")))


@_plays("GET", f"{_REPOSITORY}/pulls/{{pull_number}}")
def _pull_request(call: Call, description: GithubDescription, owner: str, repo: str, pull_number: int) -> Answer:
    found = _found(call.repository(owner, repo).pull_requests, pull_number)
    return Answer(200, found.as_json(description.smallest("pull-request")))


@_plays("GET", f"{_ISSUE}/comments")
def _list_comments(call: Call, description: GithubDescription, owner: str, repo: str, issue_number: int) -> Answer:
    repository = call.repository(owner, repo)
    _found(repository.pull_requests, issue_number)
    return call.page(
        repository, [_comment(call, description, comment) for comment in repository.comments_of(issue_number)]
    )


@_plays("POST", f"{_ISSUE}/comments")
def _create_comment(call: Call, description: GithubDescription, owner: str, repo: str, issue_number: int) -> Answer:
    repository = call.writable(owner, repo)
    _found(repository.pull_requests, issue_number)
    created = call.state.add_comment(repository, issue_number, call.token.login, _body(call))
    return Answer(201, _comment(call, description, created))


@_plays("GET", _COMMENT)
def _get_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    return Answer(200, _comment(call, description, _found(call.repository(owner, repo).comments, comment_id)))


@_plays("PATCH", _COMMENT)
def _edit_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    """Who may write may edit anybody's comment, as on GitHub."""
    comment = _found(call.writable(owner, repo).comments, comment_id)
    call.state.edit_comment(comment, _body(call))
    return Answer(200, _comment(call, description, comment))


@_plays("DELETE", _COMMENT)
def _delete_comment(call: Call, description: GithubDescription, owner: str, repo: str, comment_id: int) -> Answer:
    comments = call.writable(owner, repo).comments
    _found(comments, comment_id)
    del comments[comment_id]
    return Answer(204)


@_plays("POST", f"{_REPOSITORY}/statuses/{{sha}}")
def _create_status(call: Call, description: GithubDescription, owner: str, repo: str, sha: str) -> Answer:
    repository = call.writable(owner, repo)
    if not repository.has_commit(sha):
        raise Refusal(422, f"No commit found for SHA: {sha}")
    status = call.state.add_status(repository, sha, call.token.login, call.content)
    return Answer(201, status.as_json(description.smallest("status"), call.state.user(status.creator)))


@_plays("GET", f"{_COMMIT}/statuses")
def _list_statuses(call: Call, description: GithubDescription, owner: str, repo: str, ref: str) -> Answer:
    repository = call.repository(owner, repo)
    smallest = description.smallest("status")
    return call.page(
        repository,
        [status.as_json(smallest, call.state.user(status.creator)) for status in repository.statuses_of(ref)],
    )


def _comment(call: Call, description: GithubDescription, comment: Comment) -> dict[str, Any]:
    author = call.state.user(comment.author) if comment.author else None
    return comment.as_json(description.smallest("issue-comment"), author, call.request.host_url)


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
