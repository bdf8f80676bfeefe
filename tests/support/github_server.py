"""A stand-in of GitHub's REST API: local, stateful, and held to GitHub's own description of that API.

    with running_github() as github:
        github.url                               what GITHUB_API_URL would be

It keeps users, tokens, pull requests, comments and statuses, and answers as api.github.com does, refusals included.
Every request and every answer is judged by the description: what violates it fails the test that caused it.
"""

import json
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Map
from werkzeug.serving import WSGIRequestHandler, make_server

import tests.support.github_releases
import tests.support.github_reviews  # noqa: F401 - what they play
from tests.support.api_description import ApiDescription
from tests.support.github_description import github_description
from tests.support.github_issues import LIST_OF_ISSUES
from tests.support.github_operations import BLOBS, ROUTES, Answer, Call, Permission, Play, Refusal, Token, content_of
from tests.support.github_state import (
    Artifact,
    CheckRun,
    Comment,
    CommitComment,
    GithubState,
    Issue,
    PullRequest,
    ReviewComment,
    Status,
)
from tests.support.serving import serving

WORKFLOW_USER = "github-actions[bot]"
GRAPHQL = "/graphql"


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request and what it was answered with."""

    method: str
    path: str
    query: dict[str, str]
    status: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request instead of an answer of ours."""

    status: int
    message: str
    headers: Mapping[str, str]
    method: str | None
    raw: bytes | None
    too_late: bool
    path: str | None


class Github:
    """What a test sees of the stand-in."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.state = GithubState()
        self.requests: list[LoggedRequest] = []
        self.violations: list[str] = []
        self.tokens: dict[str, Token] = {}
        self.faults: deque[Fault] = deque()

    def add_token(self, login: str, permission: Permission = Permission.WRITE) -> str:
        """A token of a person."""
        return self._add_token("ghp_", Token(login, permission, is_installation=False))

    def add_workflow_token(self, permission: Permission = Permission.WRITE) -> str:
        """The token that a workflow gets."""
        return self._add_token("ghs_", Token(WORKFLOW_USER, permission, is_installation=True))

    def add_app_token(self, app: str, permission: Permission = Permission.WRITE) -> str:
        """The token of an installation of somebody's own GitHub App."""
        return self._add_token("ghs_", Token(f"{app}[bot]", permission, is_installation=True))

    def add_pull_request(
        self,
        repository: str,
        number: int,
        head_sha: str = "b" * 40,
        base_sha: str = "a" * 40,
        *,
        fork: str | None = None,
        branch: str = "more",
        state: str = "open",
    ) -> None:
        """A pull request, and its repository where it is new. Where it is of a fork: that one's name."""
        made = PullRequest(number, head_sha, base_sha, fork or repository, branch, state)
        self.state.repository(repository).pull_requests[number] = made

    def add_artifact(
        self,
        repository: str,
        run: int,
        content: bytes,
        name: str = "membudget-report",
        *,
        expired: bool = False,
        claimed_bytes: int | None = None,
    ) -> None:
        """A zip file that a workflow run keeps."""
        made = Artifact(self.state.next_id(), run, name, content, expired, claimed_bytes)
        self.state.repository(repository).artifacts[made.id] = made

    def check_runs(self, repository: str) -> list[CheckRun]:
        """The check runs, the oldest first."""
        return list(self.state.repositories[repository].check_runs.values())

    def add_comment(self, repository: str, number: int, author: str | None, body: str) -> Comment:
        """A comment that somebody wrote; None: somebody whose account is deleted."""
        return self.state.add_comment(self.state.repositories[repository], number, author, body)

    def comments(self, repository: str, number: int) -> list[Comment]:
        """The comments of a pull request, the oldest first."""
        return self.state.repositories[repository].comments_of(number)

    def add_file(self, repository: str, number: int, path: str, patch: str | None) -> None:
        """A file that a pull request changes, with its diff if that is shown."""
        self.state.repositories[repository].reviews.files.setdefault(number, {})[path] = patch

    def add_reply(self, repository: str, to: ReviewComment, author: str, body: str) -> None:
        """Somebody answers to a review comment."""
        made = replace(to, id=self.state.next_id(), author=author, body=body, in_reply_to=to.id)
        self.state.repositories[repository].reviews.comments[made.id] = made

    def review_comments(self, repository: str) -> list[ReviewComment]:
        """The review comments, the oldest first."""
        return list(self.state.repositories[repository].reviews.comments.values())

    def add_issue(self, repository: str, author: str | None, body: str) -> Issue:
        """An issue that somebody opened."""
        there = self.state.repository(repository)
        made = Issue(there.told.next_number(there.pull_requests), author, "An issue", body)
        there.told.issues[made.number] = made
        return made

    def issues(self, repository: str) -> list[Issue]:
        """The issues, the oldest first."""
        return list(self.state.repositories[repository].told.issues.values())

    def commit_comments(self, repository: str) -> list[CommitComment]:
        """The comments on commits, the oldest first."""
        return list(self.state.repositories[repository].told.commit_comments.values())

    def statuses(self, repository: str, sha: str) -> list[Status]:
        """The statuses of a commit, the newest first."""
        return self.state.repositories[repository].statuses_of(sha)

    def fail_next(
        self,
        status: int,
        message: str = "Server Error",
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        method: str | None = None,
        raw: bytes | None = None,
        too_late: bool = False,
        path: str | None = None,
    ) -> None:
        """Answer the next requests (of `method` and `path` alone, where given) with a failure.

        With `raw`, that is the body, and it is not GitHub's but that of a proxy before it: not judged. With `too_late`,
        what was asked is done all the same.
        """
        self.faults.extend([Fault(status, message, headers or {}, method, raw, too_late, path)] * times)

    def _add_token(self, prefix: str, token: Token) -> str:
        text = f"{prefix}{len(self.tokens):036d}"
        self.tokens[text] = token
        return text


@contextmanager
def running_github(below: str = "") -> Iterator[Github]:
    """A stand-in that runs. Raises AssertionError at the end when anything violated GitHub's description.

    With `below`, its API is below that path, as an enterprise's own server has it below /api/v3.
    """
    application = Application(github_description(), ROUTES)
    graphql = f"{below.removesuffix('/v3')}{GRAPHQL}"
    mounts = {below: application, graphql: application.viewer, BLOBS.rstrip("/"): application.blobs}
    with served(application, mounts) as root:
        application.github = Github(f"{root}{below}")
        yield application.github
    application.check("GitHub")


@contextmanager
def served(application: "Application", mounts: dict[str, Any]) -> Iterator[str]:
    """The address of a server that runs, with applications below its paths; everything else is refused."""
    everything = DispatcherMiddleware(application.blobs, mounts)
    server = make_server("localhost", 0, everything, threaded=True, request_handler=_Quiet)
    with serving(server):
        yield f"http://localhost:{server.port}"


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Say nothing: the log is `Github.requests`."""


class Application:
    """A stand-in as a WSGI application."""

    github: Github

    def __init__(self, description: ApiDescription, routes: Map) -> None:
        self._description = description
        self._routes = routes
        self._one_at_a_time = threading.Lock()

    def check(self, server: str) -> None:
        """Raise AssertionError when anything violated the description of `server`."""
        violations = "\n".join(self.github.violations)
        assert not violations, f"{server}'s description of its API is violated:\n{violations}"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        with self._one_at_a_time:
            response = self._respond(request)
        return response(environ, start_response)

    def blobs(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Where artifacts are: another server, that must not see a token of GitHub's."""
        request = Request(environ)
        if "Authorization" in request.headers:
            self._judge([f"a token was sent to the server of the blob {request.path}"])
        owner, name, number = request.path.strip("/").split("/")
        artifact = self.github.state.repositories[f"{owner}/{name}"].artifacts[int(number)]
        return Response(artifact.content, 200, content_type="application/zip")(environ, start_response)

    def viewer(self, environ: dict[str, Any], start_response: Any) -> Any:
        """GraphQL, of which one question is played. It has a description of its own, which is not ours to cut."""
        request = Request(environ)
        with self._one_at_a_time:
            response = self._viewed(request)
        return response(environ, start_response)

    def _viewed(self, request: Request) -> Response:
        played = {"query": "query { viewer { login } }", "variables": {}}
        if request.method != "POST" or content_of(request) != played:
            self._judge([f"the stand-in does not play this GraphQL: {request.get_data()!r}"])
        try:
            answer = Answer(200, {"data": {"viewer": {"login": self._token(request).login}}})
        except Refusal as refusal:
            answer = refusal.answer
        fault = self._fault(request)
        response = _response(answer) if fault is None else self._failure(fault)
        self.github.requests.append(LoggedRequest(request.method, GRAPHQL, {}, response.status_code))
        return response

    def _respond(self, request: Request) -> Response:
        path = self._canonical(request.path)
        self._judge(self._description.request_violations(request, path))
        fault = self._fault(request)
        if fault is None:
            response = _response(self._answer(request, path))
        else:
            if fault.too_late:
                self._answer(request, path)
            response = self._failure(fault)
        if fault is None or fault.raw is None:
            self._judge(self._description.response_violations(request, path, response))
        self.github.requests.append(LoggedRequest(request.method, path, request.args.to_dict(), response.status_code))
        return response

    def _answer(self, request: Request, path: str) -> Answer:
        try:
            play: Play
            play, arguments = self._routes.bind("").match(path, request.method)
            self._judge_query(request, play.template)
            call = Call(request, path, self._token(request), self.github.state, content_of(request))
            return play.player(call, self._description, **arguments)
        except Refusal as refusal:
            return self._refused(refusal)
        except HTTPException:
            self._judge([f"the stand-in does not play {request.method} {path}"])
            return self._refused(Refusal(404, "Not Found"))
        except Exception as error:  # noqa: BLE001 - a bug of the stand-in has to fail the test, not to answer it
            self._judge([f"the stand-in broke at {request.method} {path}: {error!r}"])
            return self._refused(Refusal(500, "Server Error"))

    def _refused(self, refusal: Refusal) -> Answer:
        """What is refused, in the server's form."""
        return refusal.answer

    def _token(self, request: Request) -> Token:
        """Whose token came with a request."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if not text:
            raise Refusal(401, "Requires authentication")
        token = self.github.tokens.get(text)
        if token is None or scheme.lower() not in ("token", "bearer"):
            raise Refusal(401, "Bad credentials")
        return token

    def _fault(self, request: Request) -> Fault | None:
        """The fault that is meant for this request, if any."""
        faults = self.github.faults
        if not faults or faults[0].method not in (None, request.method) or faults[0].path not in (None, request.path):
            return None
        return faults.popleft()

    def _canonical(self, path: str) -> str:
        """A path with the repository by name: GitHub's own links give its number, and its description has none such."""
        by_number = re.fullmatch(r"/repositories/(\d+)(/.*)", path)
        names = {str(found.id): name for name, found in self.github.state.repositories.items()}
        if by_number is None or by_number[1] not in names:
            return path
        return f"/repos/{names[by_number[1]]}{by_number[2]}"

    def _failure(self, fault: Fault) -> Response:
        if fault.raw is not None:
            return Response(fault.raw, fault.status, dict(fault.headers), content_type="text/html")
        content = self._refused(Refusal(fault.status, fault.message)).content
        return _response(Answer(fault.status, content, dict(fault.headers)))

    def _judge_query(self, request: Request, template: str) -> None:
        known = self._description.query_parameters(template, request.method.lower())
        played = {"per_page", "page", "state", "head", "name", "check_name", "filter"}
        if template == LIST_OF_ISSUES:
            played.add("since")  # comments have one as well, which nobody here asks for
        for name in request.args:
            if name not in known & played:
                what = "the stand-in does not play" if name in known else "the server does not know"
                self._judge([f"{what} the query parameter {name!r} of {request.method} {template}"])

    def _judge(self, violations: list[str]) -> None:
        self.github.violations.extend(violations)


def _response(answer: Answer) -> Response:
    if answer.content is None:
        response = Response(status=answer.status, headers=answer.headers)
        del response.headers["Content-Type"]
        return response
    content = json.dumps(answer.content).encode()
    return Response(content, answer.status, answer.headers, content_type="application/json; charset=utf-8")
