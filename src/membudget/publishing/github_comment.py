"""The sticky comment on GitHub: found by a hidden marker and its author, created once, edited after."""

import requests
from github import Auth, Github, GithubException
from github.GithubRetry import GithubRetry
from github.IssueComment import IssueComment

from membudget.publishing.pull_request import NotPosted, Posted, PullRequest

WORKFLOW_TOKEN_AUTHOR = "github-actions[bot]"  # noqa: S105 - a name
_TIMEOUT_S = 20
_RETRIES = 3

_NO_WRITE = (
    "the token may not write comments (from a fork it never may;"
    " elsewhere give the job `permissions: pull-requests: write`)"
)


class GithubCommenter:
    """Comments with one token on one server."""

    def __init__(self, token: str, api_url: str) -> None:
        self._is_installation_token = token.startswith("ghs_")
        self._github = Github(
            auth=Auth.Token(token),
            base_url=api_url,
            per_page=100,
            timeout=_TIMEOUT_S,
            retry=GithubRetry(total=_RETRIES),
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    def post(self, pull_request: PullRequest, marker: str, body: str) -> Posted | NotPosted:
        """Create or edit the comment that starts with `marker`."""
        try:
            issue = self._github.get_repo(pull_request.repository, lazy=True).get_issue(pull_request.number)
            own = self._own_login()
            existing = next((found for found in issue.get_comments() if _is_ours(found, own, marker)), None)
            if existing is None:
                return Posted(issue.create_comment(body).html_url, created=True)
            if existing.body != body:
                existing.edit(body)
            return Posted(existing.html_url, created=False)
        except GithubException as error:
            return NotPosted(_reason(error))
        except requests.RequestException as error:
            return NotPosted(f"GitHub cannot be reached: {type(error).__name__}")

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


def _is_ours(comment: IssueComment, own: str, marker: str) -> bool:
    """Anybody can copy a marker: only a comment of our own is edited."""
    return comment.user.login == own and comment.body.startswith(marker)


def _reason(error: GithubException) -> str:
    if error.status in (401, 403):
        return _NO_WRITE
    said = error.data.get("message", "") if isinstance(error.data, dict) else ""
    return f"GitHub answered {error.status}" + (f": {said}" if said else "")
