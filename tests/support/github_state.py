"""What the stand-in of GitHub keeps (see github_server.py): repositories, pull requests, comments, statuses."""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

_WEB = "https://github.com"


@dataclass(slots=True)
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    repository: str
    issue_number: int
    author: str | None
    """None: the account is deleted."""
    body: str
    created_at: datetime
    updated_at: datetime

    @property
    def html_url(self) -> str:
        """Where people see it."""
        return f"{_WEB}/{self.repository}/pull/{self.issue_number}#issuecomment-{self.id}"

    def as_json(self, smallest: dict[str, Any], author: dict[str, Any] | None, api: str) -> dict[str, Any]:
        """As GitHub answers."""
        url = f"{api}repos/{self.repository}/issues"
        return {
            **smallest,
            "id": self.id,
            "url": f"{url}/comments/{self.id}",
            "html_url": self.html_url,
            "issue_url": f"{url}/{self.issue_number}",
            "user": author,
            "body": self.body,
            "created_at": _timestamp(self.created_at),
            "updated_at": _timestamp(self.updated_at),
        }


@dataclass(frozen=True, slots=True)
class Status:
    """A status of a commit."""

    id: int
    creator: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    created_at: datetime

    def as_json(self, smallest: dict[str, Any], creator: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers."""
        return {
            **smallest,
            "id": self.id,
            "state": self.state,
            "context": self.context,
            "description": self.description,
            "target_url": self.target_url,
            "creator": creator,
            "created_at": _timestamp(self.created_at),
            "updated_at": _timestamp(self.created_at),
        }


@dataclass(frozen=True, slots=True)
class PullRequest:
    """An open pull request."""

    number: int
    head_sha: str
    base_sha: str

    def as_json(self, smallest: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers."""
        return {
            **smallest,
            "number": self.number,
            "state": "open",
            "head": {**smallest["head"], "sha": self.head_sha},
            "base": {**smallest["base"], "sha": self.base_sha},
        }


@dataclass(slots=True)
class Repository:
    """A repository."""

    id: int
    full_name: str
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    statuses: dict[str, list[Status]] = field(default_factory=dict)

    def comments_of(self, number: int) -> list[Comment]:
        """The comments of one issue, the oldest first."""
        return [comment for comment in self.comments.values() if comment.issue_number == number]

    def statuses_of(self, sha: str) -> list[Status]:
        """The statuses of a commit, the newest first."""
        return self.statuses.get(sha, [])[::-1]

    def has_commit(self, sha: str) -> bool:
        """Whether a pull request has it."""
        return any(sha in (pull.head_sha, pull.base_sha) for pull in self.pull_requests.values())

    def as_json(self, smallest: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers."""
        return {**smallest, "id": self.id, "full_name": self.full_name, "name": self.full_name.partition("/")[2]}


class GithubState:
    """Everything that is kept, and the clock: each change is a second after the one before."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self._ids = count(1001)
        self._now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def repository(self, full_name: str) -> Repository:
        """A repository, made where it is new."""
        if full_name not in self.repositories:
            self.repositories[full_name] = Repository(next(self._ids), full_name)
        return self.repositories[full_name]

    def user(self, login: str) -> dict[str, Any]:
        """A user as every object names one."""
        api = f"https://api.github.com/users/{login}"
        below = ("followers", "subscriptions", "organizations", "repos", "received_events")
        templates = ("following{/other_user}", "gists{/gist_id}", "starred{/owner}{/repo}", "events{/privacy}")
        return {
            "login": login,
            "id": zlib.crc32(login.encode()),
            "node_id": "",
            "avatar_url": f"{_WEB}/{login}.png",
            "gravatar_id": "",
            "url": api,
            "html_url": f"{_WEB}/{login}",
            **{f"{name}_url": f"{api}/{name}" for name in below},
            **{f"{template.partition('{')[0]}_url": f"{api}/{template}" for template in templates},
            "type": "Bot" if login.endswith("[bot]") else "User",
            "site_admin": False,
        }

    def add_comment(self, repository: Repository, number: int, author: str | None, body: str) -> Comment:
        """Somebody comments."""
        now = self._tick()
        comment = Comment(next(self._ids), repository.full_name, number, author, body, now, now)
        repository.comments[comment.id] = comment
        return comment

    def edit_comment(self, comment: Comment, body: str) -> None:
        """Somebody edits."""
        comment.body, comment.updated_at = body, self._tick()

    def add_status(self, repository: Repository, sha: str, creator: str, given: dict[str, Any]) -> Status:
        """Somebody sets a status."""
        description, target = given.get("description"), given.get("target_url")
        context = given.get("context", "default")
        status = Status(next(self._ids), creator, given["state"], context, description, target, self._tick())
        repository.statuses.setdefault(sha, []).append(status)
        return status

    def _tick(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
