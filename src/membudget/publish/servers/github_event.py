"""What the event that started this workflow says: which pull request, which base, which commit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from membudget.core.errors import ConfigurationError
from membudget.core.files import read_plain
from membudget.publish.pull_request import PullRequest, WorkflowRun

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_LARGEST_PAYLOAD_BYTES = 25 << 20
"""GitHub sends none that is larger (docs, Webhook events and payloads)."""
_NO_COMMIT = "0" * 40
"""What a push event names as `before` when it created the branch."""
_LABELS_ARE_NEW = ("opened", "label_updated")
"""label_updated: Forgejo and Gitea do not say which one. Only people with the same rights can change any of them."""
_OF_A_PULL_REQUEST = ("pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment")
_MERGE_QUEUE = "merge_group"
_SHA = r"^[0-9a-f]{40}([0-9a-f]{24})?$"
_Sha = Annotated[str, Field(pattern=_SHA)]


class _Part(BaseModel):
    """The few fields we read of a webhook payload."""

    model_config = ConfigDict(extra="ignore")


class _Ref(_Part):
    sha: str


class _Label(_Part):
    name: str


class _PullRequestPart(_Part):
    number: int
    base: _Ref
    head: _Ref
    labels: tuple[_Label, ...] | None = None
    """Servers written in Go may say null for none."""


class _MergeGroupPart(_Part):
    base_sha: str
    head_sha: str | None = None


class _Owner(_Part):
    login: str


class _HeadRepository(_Part):
    full_name: str
    owner: _Owner


class _WorkflowRunPart(_Part):
    id: Annotated[int, Field(gt=0)]
    run_number: Annotated[int, Field(gt=0)]
    run_attempt: Annotated[int, Field(gt=0)]
    event: str
    head_sha: _Sha
    head_branch: str | None
    head_repository: _HeadRepository | None
    """None once the fork is deleted."""


class _Payload(_Part):
    action: str | None = None
    label: _Label | None = None
    """The one that was set or removed. Forgejo and Gitea name none."""
    pull_request: _PullRequestPart | None = None
    merge_group: _MergeGroupPart | None = None
    workflow_run: _WorkflowRunPart | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class MeasuringRun:
    """The run of the measuring workflow, as the event of the reporting one has it: GitHub's word, not the fork's."""

    run: WorkflowRun
    event: str
    """What started it."""
    head_owner: str | None
    """Whose branch it measured; None once that repository is deleted."""
    head_repository: str | None
    head_branch: str | None


@dataclass(frozen=True, slots=True)
class GithubEvent:
    """The event of this workflow run; all None outside of GitHub."""

    name: str | None = None
    pull_request: PullRequest | None = None
    base_sha: str | None = None
    """What the event compares with: the base branch's tip, the queue's base, what a push replaced."""
    head_sha: str | None = None
    """The pull request's own head. By default the runner checks out a merge of it into its base."""
    commit_sha: str | None = None
    """The commit whose merge waits for this check: the pull request's own head, or the queue's; or what was pushed."""
    labels: frozenset[str] = frozenset()
    """The pull request's, when the event fired. Only people with triage rights can set one."""
    action: str | None = None
    """What was done to the pull request."""
    changed_label: str | None = None
    """Which label was set or removed, where that was done and the server says which."""
    measured: MeasuringRun | None = None
    """Of a workflow_run event."""

    def sets(self, label: str) -> bool:
        """Whether the pull request got a label by this very event, and so as it is at this head."""
        if label not in self.labels:
            return False
        if self.action == "labeled":
            return self.changed_label == label
        return self.action in _LABELS_ARE_NEW

    @property
    def is_before_merge(self) -> bool:
        """Whether the head is a pull request that nobody has merged yet: its code may have written to the cache."""
        return self.pull_request is not None or self.name == _MERGE_QUEUE


def read_event(environ: Mapping[str, str]) -> GithubEvent:
    """The event that GITHUB_EVENT_PATH holds. Raises ConfigurationError when it cannot be understood.

    A pull request without its payload would count as none, and nobody would have to approve what it loosens.
    """
    path, name = environ.get("GITHUB_EVENT_PATH"), environ.get("GITHUB_EVENT_NAME")
    if not path and not name:
        return GithubEvent()
    if not path or not name:
        missing, there = ("PATH", "NAME") if name else ("NAME", "PATH")
        raise ConfigurationError(
            f"is not set, although GITHUB_EVENT_{there} is: it is not known what this run is for",
            where=f"GITHUB_EVENT_{missing}",
            fix="pass both on as the runner set them, or neither",
        )
    payload = _payload(Path(path))
    _check_kind(name, payload, path)
    if payload.pull_request is not None:
        pull_request = PullRequest(repository_name(environ), payload.pull_request.number)
        base, head = payload.pull_request.base.sha, payload.pull_request.head.sha
        labels = frozenset(label.name for label in payload.pull_request.labels or ())
        changed = payload.label.name if payload.label is not None else None
        return GithubEvent(name, pull_request, base, head, head, labels, payload.action, changed)
    if payload.merge_group is not None:
        return GithubEvent(name, base_sha=payload.merge_group.base_sha, commit_sha=payload.merge_group.head_sha)
    if payload.workflow_run is not None:
        return GithubEvent(name, measured=_measured(payload.workflow_run), commit_sha=payload.workflow_run.head_sha)
    before = payload.before if payload.before != _NO_COMMIT else None
    after = payload.after if payload.after != _NO_COMMIT else None
    return GithubEvent(name, base_sha=before, commit_sha=after)


def repository_name(environ: Mapping[str, str]) -> str:
    """The "owner/name" of the repository whose workflow this is. Raises ConfigurationError."""
    repository = environ.get("GITHUB_REPOSITORY", "")
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigurationError("is no owner/name of a repository", where="GITHUB_REPOSITORY")
    return repository


def this_run(environ: Mapping[str, str], head_sha: str | None) -> WorkflowRun | None:
    """The workflow run that this process is part of, for a commit; None outside of one."""
    numbers = [environ.get(f"GITHUB_RUN_{name}", "") for name in ("ID", "NUMBER")]
    numbers.append(environ.get("GITHUB_RUN_ATTEMPT") or "1")  # runners of Forgejo and Gitea may leave it empty
    if head_sha is None or not re.fullmatch(_SHA, head_sha):
        return None
    if not all(re.fullmatch(r"[1-9]\d{0,17}", text, re.ASCII) for text in numbers):
        return None
    run, number, attempt = map(int, numbers)
    return WorkflowRun(run, number, attempt, head_sha)


def _measured(part: _WorkflowRunPart) -> MeasuringRun:
    repository = part.head_repository
    return MeasuringRun(
        WorkflowRun(part.id, part.run_number, part.run_attempt, part.head_sha),
        part.event,
        repository.owner.login if repository is not None else None,
        repository.full_name if repository is not None else None,
        part.head_branch,
    )


def _check_kind(name: str, payload: _Payload, path: str) -> None:
    wanted = "pull_request" if name in _OF_A_PULL_REQUEST else name if name == _MERGE_QUEUE else None
    if wanted is not None and getattr(payload, wanted) is None:
        raise ConfigurationError(
            f"the event is {name}, but its payload has no {wanted}",
            where=path,
            fix="let GITHUB_EVENT_PATH name the file that the runner wrote for this event",
        )


def _payload(path: Path) -> _Payload:
    try:
        return _Payload.model_validate_json(read_plain(path, _LARGEST_PAYLOAD_BYTES))
    except OSError as error:
        problem = error.strerror
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(map(str, first["loc"]))
        problem = f"{location}: {first['msg']}" if location else first["msg"]
    raise ConfigurationError(f"the workflow's event cannot be read: {problem}", where=str(path))
