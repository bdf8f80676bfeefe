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
    """A pull request."""

    number: int
    head_sha: str
    base_sha: str
    head_repository: str
    """Another one than the base's: a fork."""
    head_ref: str
    state: str = "open"
    labels: set[str] = field(default_factory=set)

    @property
    def head_label(self) -> str:
        """The branch, and whose."""
        return f"{self.head_repository.partition('/')[0]}:{self.head_ref}"

    def as_json(self, smallest: dict[str, Any], head_repository: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers."""
        head = {"label": self.head_label, "ref": self.head_ref, "sha": self.head_sha, "repo": head_repository}
        return {
            **smallest,
            "number": self.number,
            "state": self.state,
            "head": {**smallest["head"], **head},
            "base": {**smallest["base"], "sha": self.base_sha},
        }


@dataclass(slots=True)
class CheckRun:
    """A check run of a commit."""

    id: int
    name: str
    head_sha: str
    status: str
    conclusion: str | None = None
    output: dict[str, Any] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    details_url: str | None = None

    def as_json(self, smallest: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers."""
        shown = {name: self.output.get(name) for name in ("title", "summary", "text")}
        return {
            **smallest,
            "id": self.id,
            "name": self.name,
            "head_sha": self.head_sha,
            "html_url": f"{_WEB}/runs/{self.id}",
            "details_url": self.details_url,
            "status": self.status,
            "conclusion": self.conclusion,
            "output": {
                **shown,
                "annotations_count": len(self.annotations),
                "annotations_url": f"https://api.github.com/check-runs/{self.id}/annotations",
            },
        }


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a workflow run kept, zipped."""

    id: int
    run: int
    name: str
    content: bytes
    expired: bool = False
    claimed_bytes: int | None = None
    """Its size as the list has it; None: the truth."""

    def as_json(self, smallest: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers."""
        size = len(self.content) if self.claimed_bytes is None else self.claimed_bytes
        return {
            **smallest,
            "id": self.id,
            "name": self.name,
            "size_in_bytes": size,
            "expired": self.expired,
            "workflow_run": {"id": self.run},
        }


@dataclass(slots=True)
class ReviewComment:
    """A comment at a line of a file."""

    id: int
    number: int
    author: str
    body: str
    path: str
    line: int | None
    """None: the line is no longer in the diff."""
    commit: str
    in_reply_to: int | None = None

    def as_json(self, smallest: dict[str, Any], author: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers."""
        line = {} if self.line is None else {"line": self.line, "side": "RIGHT"}
        reply = {} if self.in_reply_to is None else {"in_reply_to_id": self.in_reply_to}
        own = {"id": self.id, "body": self.body, "path": self.path, "commit_id": self.commit, "user": author}
        return {**smallest, **own, **line, **reply}


@dataclass(slots=True)
class Reviews:
    """What a repository has of reviews."""

    comments: dict[int, ReviewComment] = field(default_factory=dict)
    files: dict[int, dict[str, str | None]] = field(default_factory=dict)
    """The changed files of each pull request, with their diffs."""


@dataclass(slots=True)
class Issue:
    """An issue."""

    number: int
    author: str | None
    title: str
    body: str
    state: str = "open"
    updated_at: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


@dataclass(slots=True)
class CommitComment:
    """A comment on a commit."""

    id: int
    sha: str
    author: str | None
    body: str


@dataclass(slots=True)
class Told:
    """What a repository has beside its pull requests: issues, and comments on commits."""

    issues: dict[int, Issue] = field(default_factory=dict)
    commit_comments: dict[int, CommitComment] = field(default_factory=dict)
    issues_are_off: bool = False

    def next_number(self, pull_requests: dict[int, PullRequest]) -> int:
        """The number of the next issue. Pull requests share the numbers."""
        return max([0, *self.issues, *pull_requests]) + 1


@dataclass(slots=True)
class Repository:
    """A repository."""

    id: int
    full_name: str
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    check_runs: dict[int, CheckRun] = field(default_factory=dict)
    artifacts: dict[int, Artifact] = field(default_factory=dict)
    releases: dict[str, dict[str, object]] = field(default_factory=dict)
    """By tag."""
    commits: set[str] = field(default_factory=set)
    """Beside those of pull requests."""
    reviews: Reviews = field(default_factory=Reviews)
    told: Told = field(default_factory=Told)

    def comments_of(self, number: int) -> list[Comment]:
        """The comments of one issue, the oldest first."""
        return [comment for comment in self.comments.values() if comment.issue_number == number]

    def statuses_of(self, sha: str) -> list[Status]:
        """The statuses of a commit, the newest first."""
        return self.statuses.get(sha, [])[::-1]

    def has_commit(self, sha: str) -> bool:
        """Whether a pull request has it."""
        pulls = self.pull_requests.values()
        return sha in self.commits or any(sha in (pull.head_sha, pull.base_sha) for pull in pulls)

    def as_json(self, smallest: dict[str, Any], owner: dict[str, Any] | None = None) -> dict[str, Any]:
        """As GitHub answers."""
        names = {"id": self.id, "full_name": self.full_name, "name": self.full_name.partition("/")[2]}
        return {**smallest, **names, **({"owner": owner} if owner is not None else {})}


class GithubState:
    """Everything that is kept, and the clock: each change is a second after the one before."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.public_url = ""
        """How the server's own links begin, where that is not how it was reached: behind a proxy."""
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

    def next_id(self) -> int:
        """An id that nothing else has."""
        return next(self._ids)

    def _tick(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
