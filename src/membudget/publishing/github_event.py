"""What the GitHub event that started this workflow says: which pull request, which base."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from membudget.errors import ConfigurationError
from membudget.publishing.pull_request import PullRequest

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_NO_COMMIT = "0" * 40
"""What a push event names as `before` when it created the branch."""


class _Ref(BaseModel):
    model_config = ConfigDict(extra="ignore")
    sha: str


class _Label(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str


class _PullRequestPart(BaseModel):
    model_config = ConfigDict(extra="ignore")
    number: int
    base: _Ref
    head: _Ref
    labels: tuple[_Label, ...] = ()


class _MergeGroupPart(BaseModel):
    model_config = ConfigDict(extra="ignore")
    base_sha: str


class _Payload(BaseModel):
    """The few fields we read of a webhook payload."""

    model_config = ConfigDict(extra="ignore")
    pull_request: _PullRequestPart | None = None
    merge_group: _MergeGroupPart | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class GithubEvent:
    """The event of this workflow run; all None outside of GitHub."""

    name: str | None = None
    pull_request: PullRequest | None = None
    base_sha: str | None = None
    """What the event compares with: the base branch's tip, the queue's base, what a push replaced."""
    head_sha: str | None = None
    """The pull request's own head. By default the runner checks out a merge of it into its base."""
    labels: frozenset[str] = frozenset()
    """The pull request's, when the event fired. Only people with triage rights can set one."""


def read_event(environ: Mapping[str, str]) -> GithubEvent:
    """The event that GITHUB_EVENT_PATH holds. Raises ConfigurationError when it cannot be understood."""
    path, name = environ.get("GITHUB_EVENT_PATH"), environ.get("GITHUB_EVENT_NAME")
    if not path or not name:
        return GithubEvent()
    payload = _payload(Path(path))
    if payload.pull_request is not None:
        repository = environ.get("GITHUB_REPOSITORY", "")
        if not _REPOSITORY.fullmatch(repository):
            raise ConfigurationError("is no owner/name of a repository", where="GITHUB_REPOSITORY")
        pull_request = PullRequest(repository, payload.pull_request.number)
        base, head = payload.pull_request.base.sha, payload.pull_request.head.sha
        labels = frozenset(label.name for label in payload.pull_request.labels)
        return GithubEvent(name, pull_request, base, head, labels)
    if payload.merge_group is not None:
        return GithubEvent(name, base_sha=payload.merge_group.base_sha)
    before = payload.before if payload.before != _NO_COMMIT else None
    return GithubEvent(name, base_sha=before)


def _payload(path: Path) -> _Payload:
    try:
        return _Payload.model_validate_json(path.read_bytes())
    except OSError as error:
        problem = error.strerror
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(map(str, first["loc"]))
        problem = f"{location}: {first['msg']}" if location else first["msg"]
    raise ConfigurationError(f"the workflow's event cannot be read: {problem}", where=str(path))
