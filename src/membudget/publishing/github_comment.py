"""The sticky comment on GitHub: found by a hidden marker and its author, created once, edited after."""

import logging
import re
from typing import TYPE_CHECKING

import requests
from github import Auth, BadAttributeException, Github, GithubException, RateLimitExceededException
from github.GithubRetry import GithubRetry
from github.IssueComment import IssueComment

from membudget.errors import ConfigurationError
from membudget.publishing.pull_request import NotPosted, Posted, PullRequest
from membudget.report.untrusted_text import printable

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

WORKFLOW_TOKEN_AUTHOR = "github-actions[bot]"  # noqa: S105 - a name
GITHUB_API = "https://api.github.com"
_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?", re.ASCII)
_TIMEOUT_S = 20
_RETRIES = 3
_BACKOFF_S = 0.2
_LONGEST_WAIT_S = 60
"""GitHub may ask to wait for an hour: no comment is worth that much of a runner's time."""
_ROUNDS = 2
_REPEATABLE = {"GET"}
"""A comment is not written again blindly: GitHub may have done it and failed afterwards, so the next round looks."""

_NO_WRITE = (
    "the token may not write comments (from a fork it never may;"
    " elsewhere give the job `permissions: pull-requests: write`)"
)

_RATE_LIMIT = "GitHub's rate limit is used up"
_NOT_GITHUB = (BadAttributeException, TypeError, LookupError, ValueError)
"""What PyGithub raises for an answer that GitHub would not give."""


class _TooLongWait(Exception):
    """GitHub asks for more patience than we have."""


class _BriefRetry(GithubRetry):
    """Repeats what failed, after the wait that GitHub asks for, unless that is long."""

    def sleep(self, response: "BaseHTTPResponse | None" = None) -> None:
        asked = self.get_retry_after(response) if response is not None else None
        if max(asked or 0, self.get_backoff_time()) > _LONGEST_WAIT_S:
            raise _TooLongWait
        super().sleep(response)


class GithubCommenter:
    """Comments with one token on one server."""

    def __init__(self, token: str, api_url: str) -> None:
        """Raises ConfigurationError for an address that is none."""
        if not _ADDRESS.fullmatch(api_url):
            raise ConfigurationError(f"{api_url!r} is no address of a GitHub API", where="GITHUB_API_URL")
        logging.getLogger("github").setLevel(logging.ERROR)  # PyGithub prints every repetition by itself
        self._is_installation_token = token.startswith("ghs_")
        self._github = Github(
            auth=Auth.Token(token),
            base_url=api_url,
            lazy=True,
            per_page=100,
            timeout=_TIMEOUT_S,
            retry=_BriefRetry(
                total=_RETRIES, allowed_methods=_REPEATABLE, backoff_factor=_BACKOFF_S, raise_on_status=False
            ),
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    def post(self, pull_request: PullRequest, marker: str, body: str) -> Posted | NotPosted:
        """Create or edit the comment that starts with `marker`."""
        reason = ""
        for _ in range(_ROUNDS):
            try:
                return self._keep_current(pull_request, marker, body)
            except _TooLongWait:
                return NotPosted(_RATE_LIMIT)
            except GithubException as error:
                reason = _reason(error)
                if error.status < 500:
                    break
            except requests.RequestException as error:
                reason = f"GitHub cannot be reached: {type(error).__name__}"
            except _NOT_GITHUB:
                return NotPosted("what answers is not GitHub's API (GITHUB_API_URL names it)")
        return NotPosted(reason)

    def _keep_current(self, pull_request: PullRequest, marker: str, body: str) -> Posted:
        issue = self._github.get_repo(pull_request.repository).get_issue(pull_request.number)
        marked = [comment for comment in issue.get_comments() if (comment.body or "").startswith(marker)]
        existing = self._first_of_ours(marked)
        if existing is None:
            return _posted(issue.create_comment(body), created=True)
        if existing.body != body:
            existing.edit(body)
        return _posted(existing, created=False)

    def _first_of_ours(self, marked: list[IssueComment]) -> IssueComment | None:
        """Anybody can copy a marker: only a comment of our own is edited."""
        if not marked:
            return None
        own = self._own_login()
        return next((comment for comment in marked if _author(comment) == own), None)

    def _own_login(self) -> str:
        """Who we are. A workflow's own token may not ask, and is always the same author."""
        if self._is_installation_token:
            return WORKFLOW_TOKEN_AUTHOR
        try:
            return self._github.get_user().login
        except GithubException as error:
            if error.status in (401, 403, 404):
                return WORKFLOW_TOKEN_AUTHOR
            raise


def _posted(comment: IssueComment, *, created: bool) -> Posted:
    url: object = comment.html_url
    if not isinstance(url, str):
        raise TypeError("PyGithub reads an answer without content as a comment without anything")
    return Posted(url, created)


def _author(comment: IssueComment) -> str | None:
    """Who wrote it; None once that account is deleted."""
    return getattr(comment.user, "login", None)


def _reason(error: GithubException) -> str:
    said = error.data.get("message") if isinstance(error.data, dict) else None
    said = said if isinstance(said, str) else ""
    if isinstance(error, RateLimitExceededException):
        return _RATE_LIMIT
    if error.status == 401:
        return "GitHub does not accept the token"
    if error.status == 403 and said.startswith("Resource not accessible"):
        return _NO_WRITE
    if error.status == 404:
        return "GitHub knows no such pull request, or does not show it to this token"
    return f"GitHub answered {error.status}" + (f": {printable(said)}" if said else "")
