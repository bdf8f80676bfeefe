"""Reads the event that started the workflow, as runners of GitHub, Forgejo and Gitea hand it to a step."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from membudget.core.errors import ConfigurationError
from membudget.core.files import read_plain
from membudget.publish.pull_request import PullRequest, WorkflowRun
from membudget.publish.server import Event, MeasuringRun

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_LARGEST_PAYLOAD_BYTES = 25 << 20
"""GitHub sends no larger one (docs, "Webhook events and payloads")."""
_NO_COMMIT = "0" * 40
"""The value of `before` if a push created the branch, and of `after` if it deleted the branch."""
_LABELS_ARE_NEW = ("opened", "label_updated")
"""Actions that set all labels. Forgejo and Gitea send label_updated without naming the label. Any label needs the same
rights to be changed.
"""
_OF_A_PULL_REQUEST = ("pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment")
_MERGE_QUEUE = "merge_group"
_PUSH = "push"
_SHA = r"^[0-9a-f]{40}([0-9a-f]{24})?$"
_Sha = Annotated[str, Field(pattern=_SHA)]


class _Part(BaseModel):
    """The few fields that are read of a webhook payload."""

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
    """Servers written in Go may send null for an empty list."""


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


class _Repository(_Part):
    full_name: str | None = None
    default_branch: str | None = None
    fork: bool | None = None


class _Payload(_Part):
    action: str | None = None
    label: _Label | None = None
    """The label that was set or removed. Forgejo and Gitea name none."""
    pull_request: _PullRequestPart | None = None
    merge_group: _MergeGroupPart | None = None
    workflow_run: _WorkflowRunPart | None = None
    before: str | None = None
    after: str | None = None
    ref: str | None = None
    repository: _Repository | None = None


def read_event(environ: Mapping[str, str]) -> Event:
    """Return the event in the file that GITHUB_EVENT_PATH names. Raises ConfigurationError if it cannot be understood.

    If a pull request without its payload counted as none, nobody would have to approve what it loosens.
    """
    path, name = environ.get("GITHUB_EVENT_PATH"), environ.get("GITHUB_EVENT_NAME")
    if not path and not name:
        return Event()
    if not path or not name:
        missing, there = ("PATH", "NAME") if name else ("NAME", "PATH")
        raise ConfigurationError(
            f"is not set, although GITHUB_EVENT_{there} is: it is not known what this run is for",
            where=f"GITHUB_EVENT_{missing}",
            fix="pass both on as the runner set them, or neither",
        )
    payload = _payload(Path(path))
    _check_kind(name, payload, path)
    event = _event(payload, environ)
    return replace(
        event,
        is_queued=name == _MERGE_QUEUE,
        run=this_run(environ, event.commit_sha),
        main_commit=_main_commit(name, payload),
    )


def _main_commit(name: str, payload: _Payload) -> str | None:
    """Return the commit that a push brought to the default branch. None for other events, and in a fork.

    Of a run that ended, the server says which branch and which repository it was for.
    """
    own, ended = payload.repository, payload.workflow_run
    if own is None or own.fork is not False or not own.default_branch:
        return None
    if name == _PUSH and payload.ref == f"refs/heads/{own.default_branch}":
        return payload.after if payload.after is not None and re.fullmatch(_SHA, payload.after) else None
    if ended is None or ended.event != _PUSH or ended.head_branch != own.default_branch:
        return None
    is_own = ended.head_repository is not None and ended.head_repository.full_name == own.full_name
    return ended.head_sha if is_own else None


def _event(payload: _Payload, environ: Mapping[str, str]) -> Event:
    if payload.pull_request is not None:
        labels = frozenset(label.name for label in payload.pull_request.labels or ())
        return Event(
            PullRequest(repository_name(environ), payload.pull_request.number),
            base_sha=payload.pull_request.base.sha,
            head_sha=payload.pull_request.head.sha,
            commit_sha=payload.pull_request.head.sha,
            labels=labels,
            new_labels=_new_labels(payload, labels),
        )
    if payload.merge_group is not None:
        return Event(base_sha=payload.merge_group.base_sha, commit_sha=payload.merge_group.head_sha)
    if payload.workflow_run is not None:
        return Event(commit_sha=payload.workflow_run.head_sha, measured=_measured(payload.workflow_run))
    before = payload.before if payload.before != _NO_COMMIT else None
    after = payload.after if payload.after != _NO_COMMIT else None
    return Event(base_sha=before, commit_sha=after)


def _new_labels(payload: _Payload, labels: frozenset[str]) -> frozenset[str]:
    """Return the labels that the event set, and so for the current head."""
    if payload.action == "labeled":
        return labels & {payload.label.name} if payload.label is not None else frozenset()
    return labels if payload.action in _LABELS_ARE_NEW else frozenset()


def repository_name(environ: Mapping[str, str]) -> str:
    """Return the "owner/name" of the workflow's repository. Raises ConfigurationError."""
    repository = environ.get("GITHUB_REPOSITORY", "")
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigurationError("is no owner/name of a repository", where="GITHUB_REPOSITORY")
    return repository


def this_run(environ: Mapping[str, str], head_sha: str | None) -> WorkflowRun | None:
    """Return the workflow run of this process, for a commit. None outside of a run."""
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
