"""A stand-in of the API of Forgejo and Gitea: as GitHub's (see github_server.py), held to Forgejo's description.

    with running_forgejo() as forgejo:
        forgejo.url                              what GITHUB_SERVER_URL would be; the API is below it, at /api/v1

Where it is not as GitHub is, it is as read in Forgejo's sources of 2026: comments come all at once
(`issue_comment.go`). Who may read a pull request may comment on it, and edit what is their own. A status needs the
right to write (`req_repo_writer.go`). A token of a person has scopes.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from werkzeug.routing import Map, Rule

from tests.support.forgejo_description import ForgejoDescription, forgejo_description
from tests.support.github_operations import Answer, Call, Permission, Play, Refusal, Token
from tests.support.github_server import Application, Github, served
from tests.support.github_state import Comment, Issue, PullRequest, Repository, Status

API = "/api/v1"
ALL_SCOPES = frozenset({"read:user", "write:issue", "write:repository"})


@dataclass(frozen=True, slots=True)
class ScopedToken(Token):
    """A token of Forgejo's. A workflow's has no scopes, and may do all that the repository lets it."""

    scopes: frozenset[str] = ALL_SCOPES


class Forgejo(Github):
    """What a test sees of the stand-in. `url` is the server's, not the API's."""

    actions_user = "forgejo-actions"

    def add_token(
        self, login: str, permission: Permission = Permission.WRITE, scopes: frozenset[str] = ALL_SCOPES
    ) -> str:
        """A token of a person: nothing in it tells it from a workflow's."""
        return self._add_token("", ScopedToken(login, permission, is_installation=False, scopes=scopes))

    def add_workflow_token(self, permission: Permission = Permission.WRITE) -> str:
        """The token that a workflow gets."""
        return self._add_token("", ScopedToken(self.actions_user, permission, is_installation=True))


@contextmanager
def running_forgejo() -> Iterator[Forgejo]:
    """A stand-in that runs. Raises AssertionError at the end when anything violated the description."""
    application = _Application(forgejo_description(), _ROUTES)
    with served(application, {API: application}) as root:
        application.github = forgejo = Forgejo(root)
        yield forgejo
    application.check("Forgejo")


class _Application(Application):
    """The stand-in as a WSGI application."""

    def _refused(self, refusal: Refusal) -> Answer:
        """What is refused, in Forgejo's form."""
        content = {"message": refusal.answer.content["message"], "url": f"{self.github.url}/api/swagger"}
        return Answer(refusal.answer.status, content)


_ROUTES = Map()
_REPOSITORY = "/repos/{owner}/{repo}"
Player = Callable[..., Answer]


def _plays(method: str, template: str) -> Callable[[Player], Player]:
    """Route an operation of the description to a function."""

    def register(player: Player) -> Player:
        rule = re.sub(r"\{(\w+)\}", r"<\1>", re.sub(r"\{(index|id)\}", r"<int:\1>", template))
        _ROUTES.add(Rule(rule, methods=[method], endpoint=Play(template, player)))
        return player

    return register


def _needs(call: Call, scope: str) -> None:
    """A token of a person has to have the scope; to write is to read as well."""
    assert isinstance(call.token, ScopedToken)
    kind = scope.partition(":")[2]
    if not call.token.is_installation and not call.token.scopes & {scope, f"write:{kind}"}:
        raise Refusal(403, f"token does not have at least one of required scope(s): [{scope}]")


def _user(description: ForgejoDescription, login: str | None) -> dict[str, Any]:
    name = login or "Ghost"
    number = {"Ghost": -1, Forgejo.actions_user: -2}.get(name, len(name))
    return {**description.unset("User"), "id": number, "login": name, "visibility": "public"}


def _readable(call: Call, scope: str, owner: str, repo: str) -> Repository:
    _needs(call, scope)
    return call.repository(owner, repo)


def _comment(call: Call, description: ForgejoDescription, comment: Comment) -> dict[str, Any]:
    page = f"{call.request.host_url}{comment.repository}/pulls/{comment.issue_number}"
    moments = {
        "created_at": f"{comment.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "updated_at": f"{comment.updated_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    known = {
        "id": comment.id,
        "body": comment.body,
        "html_url": f"{page}#issuecomment-{comment.id}",
        "pull_request_url": page,
    }
    return {
        **description.unset("Comment"),
        **known,
        **moments,
        "assets": [],
        "user": _user(description, comment.author),
    }


def _status(description: ForgejoDescription, status: Status) -> dict[str, Any]:
    known = {
        "id": status.id,
        "status": status.state,
        "context": status.context,
        "description": status.description or "",
    }
    made = f"{status.created_at:%Y-%m-%dT%H:%M:%SZ}"
    creator = _user(description, status.creator)
    more = {"target_url": status.target_url or "", "creator": creator, "created_at": made, "updated_at": made}
    return {**description.unset("CommitStatus"), **known, **more}


@_plays("GET", "/user")
def _who_am_i(call: Call, description: ForgejoDescription) -> Answer:
    _needs(call, "read:user")
    return Answer(200, _user(description, call.token.login))


@_plays("GET", f"{_REPOSITORY}/issues/{{index}}/comments")
def _list_comments(call: Call, description: ForgejoDescription, owner: str, repo: str, index: int) -> Answer:
    repository = _readable(call, "read:issue", owner, repo)
    _exists(repository.pull_requests, index)
    return Answer(200, [_comment(call, description, comment) for comment in repository.comments_of(index)])


@_plays("POST", f"{_REPOSITORY}/issues/{{index}}/comments")
def _create_comment(call: Call, description: ForgejoDescription, owner: str, repo: str, index: int) -> Answer:
    repository = _readable(call, "write:issue", owner, repo)
    _exists(repository.pull_requests, index)
    created = call.state.add_comment(repository, index, call.token.login, call.content["body"])
    return Answer(201, _comment(call, description, created))


@_plays("PATCH", f"{_REPOSITORY}/issues/comments/{{id}}")
def _edit_comment(call: Call, description: ForgejoDescription, owner: str, repo: str, **what: int) -> Answer:
    comment = _own(call, owner, repo, what["id"])
    call.state.edit_comment(comment, call.content["body"])
    return Answer(200, _comment(call, description, comment))


@_plays("DELETE", f"{_REPOSITORY}/issues/comments/{{id}}")
def _delete_comment(call: Call, _: ForgejoDescription, owner: str, repo: str, **what: int) -> Answer:
    comment = _own(call, owner, repo, what["id"])
    del call.state.repositories[f"{owner}/{repo}"].comments[comment.id]
    return Answer(204)


def _issue(call: Call, description: ForgejoDescription, repository: Repository, issue: Issue) -> dict[str, Any]:
    known = {
        "id": 10_000 + issue.number,
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
        "updated_at": issue.updated_at,
        "html_url": f"{call.request.host_url}{repository.full_name}/issues/{issue.number}",
    }
    return {**description.unset("Issue"), **known, "user": _user(description, issue.author)}


def _pull_as_issue(call: Call, description: ForgejoDescription, repo: Repository, pull: PullRequest) -> dict[str, Any]:
    shown = _issue(call, description, repo, Issue(pull.number, "ann", "A pull request", "", pull.state))
    return {**shown, "pull_request": description.unset("PullRequestMeta")}


@_plays("GET", f"{_REPOSITORY}/issues")
def _list_issues(call: Call, description: ForgejoDescription, owner: str, repo: str) -> Answer:
    repository = _readable(call, "read:issue", owner, repo)
    issues = [_issue(call, description, repository, one) for one in repository.told.issues.values()]
    pulls = [_pull_as_issue(call, description, repository, one) for one in repository.pull_requests.values()]
    wanted = call.request.args.get("state", "open")
    since = call.request.args.get("since", "")
    listed = [one for one in [*issues, *pulls] if wanted in (one["state"], "all") and one["updated_at"] >= since]
    return call.page(repository, sorted(listed, key=lambda one: -one["number"]))


@_plays("POST", f"{_REPOSITORY}/issues")
def _create_issue(call: Call, description: ForgejoDescription, owner: str, repo: str) -> Answer:
    repository = _readable(call, "write:issue", owner, repo)
    number = repository.told.next_number(repository.pull_requests)
    made = repository.told.issues[number] = Issue(number, call.token.login, call.content["title"], call.content["body"])
    return Answer(201, _issue(call, description, repository, made))


@_plays("PATCH", f"{_REPOSITORY}/issues/{{index}}")
def _edit_issue(call: Call, description: ForgejoDescription, owner: str, repo: str, index: int) -> Answer:
    repository = _readable(call, "write:issue", owner, repo)
    issue: Issue = _exists(repository.told.issues, index)
    for name in ("title", "body", "state"):
        setattr(issue, name, call.content.get(name, getattr(issue, name)))
    return Answer(201, _issue(call, description, repository, issue))


@_plays("GET", f"{_REPOSITORY}/pulls/{{index}}")
def _pull_request(call: Call, description: ForgejoDescription, owner: str, repo: str, index: int) -> Answer:
    pull = _exists(_readable(call, "read:repository", owner, repo).pull_requests, index)
    head = {**description.unset("PrBranchInfo"), "ref": pull.head_ref, "sha": pull.head_sha, "repo_id": 1}
    return Answer(200, {**description.unset("PullRequest"), "number": pull.number, "state": pull.state, "head": head})


@_plays("POST", f"{_REPOSITORY}/statuses/{{sha}}")
def _create_status(call: Call, description: ForgejoDescription, owner: str, repo: str, sha: str) -> Answer:
    repository = _readable(call, "write:repository", owner, repo)
    if call.token.permission < Permission.WRITE:
        raise Refusal(403, "user should have a permission to write to a repo")
    _exists({sha: sha} if repository.has_commit(sha) else {}, sha)
    return Answer(201, _status(description, call.state.add_status(repository, sha, call.token.login, call.content)))


def _own(call: Call, owner: str, repo: str, number: int) -> Comment:
    """A comment that this token may change: its own; or any, for who may write."""
    comment: Comment = _exists(_readable(call, "write:issue", owner, repo).comments, number)
    if comment.author != call.token.login and call.token.permission < Permission.WRITE:
        raise Refusal(403, "Forbidden")
    return comment


def _exists(items: Any, key: Any) -> Any:
    if key not in items:
        raise Refusal(404, "The target couldn't be found.")
    return items[key]
