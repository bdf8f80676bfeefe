"""A pull request in a few lines of data, and the check of it: two commits, an event, one `membudget check`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from membudget.judge.whole import Judgement
from membudget.publish.report_file import read_report
from membudget.report.report import Report
from tests.attacks.changes import BUDGETS, LARGER, Change, holding
from tests.support.membudget_process import Finished, run
from tests.support.repository import Repository

LABEL = "memory-budget-approved"


@dataclass(frozen=True, slots=True)
class Event:
    """What the server says of the pull request."""

    action: str | None = "synchronize"
    labels: tuple[str, ...] = ()
    """All that it has."""
    labelled: str | None = None
    """The one that was set, or taken away, with this event."""
    name: str = "pull_request"
    is_fork: bool = False
    base: str | None = None
    """Another commit than the real one."""

    def payload(self, base: str, head: str) -> dict[str, Any]:
        """As GitHub posts it."""
        owner = "stranger" if self.is_fork else "octo"
        pull_request = {
            "number": 7,
            "base": {"sha": self.base or base, "ref": "main", "repo": {"full_name": "octo/shop", "fork": False}},
            "head": {"sha": head, "ref": "change", "repo": {"full_name": f"{owner}/shop", "fork": self.is_fork}},
            "labels": [{"name": label} for label in self.labels],
        }
        action = {"action": self.action} if self.action is not None else {}
        labelled = {"label": {"name": self.labelled}} if self.labelled is not None else {}
        return {**action, **labelled, "number": 7, "pull_request": pull_request}


class Expected(Protocol):
    """What has to come of a case."""

    def verify(self, checked: "Checked") -> None:
        """Raises AssertionError."""


@dataclass(frozen=True, slots=True)
class Case:
    """Two commits: what breaks a budget, and what is to hide it."""

    name: str
    expected: Expected
    cover: tuple[Change, ...]
    breaking: tuple[Change, ...]
    base: tuple[Change, ...]
    """On top of one image of 20 MiB."""
    event: Event
    arguments: tuple[str, ...]
    environ: Mapping[str, str]


def attack(
    name: str,
    expected: Expected,
    *cover: Change,
    breaking: tuple[Change, ...] = (LARGER,),
    base: tuple[Change, ...] = (),
    event: Event = Event(),
    arguments: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
) -> Case:
    """A broken budget under cover."""
    return Case(name, expected, cover, breaking, base, event, arguments, environ or {})


def honest(
    name: str,
    expected: Expected,
    *change: Change,
    base: tuple[Change, ...] = (),
    event: Event = Event(),
    arguments: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
) -> Case:
    """A change that nobody has to approve."""
    return Case(name, expected, change, (), base, event, arguments, environ or {})


@dataclass(frozen=True)
class Checked:
    """A case after its check."""

    finished: Finished
    repository: Repository
    report_path: Path

    @cached_property
    def document(self) -> Any:
        """`report.json`."""
        return json.loads(self.report_path.read_text())

    @cached_property
    def report(self) -> Report:
        """The same, as publishing reads it."""
        return read_report(self.report_path)

    @cached_property
    def judgement(self) -> Judgement:
        """Publishing's own judgement."""
        return self.report.judged().judgement

    @property
    def told(self) -> str:
        """All that it printed, for the message of a test that fails."""
        return f"exit code {self.finished.exit_code}\n{self.finished.stdout}\n{self.finished.stderr}"


@dataclass(slots=True)
class PullRequest:
    """A repository at a pull request's head."""

    repository: Repository
    base: str
    head: str
    folder: Path
    """Outside of the repository."""
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, base: tuple[Change, ...], head: tuple[Change, ...]) -> "PullRequest":
        """Two commits."""
        repository = Repository.new(folder / "repository")
        repository.write({"budgets.toml": BUDGETS, "api/Dockerfile": holding(20)})
        base_sha = _commit(repository, "Base", base)
        repository.branch("change")
        return cls(repository, base_sha, _commit(repository, "Head", head), folder)

    def push(self, *changes: Change) -> None:
        """One more commit."""
        self.head = _commit(self.repository, "More", changes)

    def check(
        self, *arguments: str, event: Event = Event(), environ: Mapping[str, str] | None = None, report: str = "report"
    ) -> Checked:
        """`membudget check`, with a cache of its own that later checks of this pull request share."""
        path = self.folder / "event.json"
        path.write_text(json.dumps(event.payload(self.base, self.head)))
        given = {
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_EVENT_NAME": event.name,
            "GITHUB_REPOSITORY": "octo/shop",
            "MEMBUDGET_CACHE_DIR": str(self.folder / "cache"),
            **(environ or {}),
        }
        written = self.folder / f"{report}.json"
        finished = run(
            "check", "-v", "--report", str(written), *arguments, folder=self.repository.folder, environ=given
        )
        return Checked(finished, self.repository, written)


def checked(case: Case, folder: Path) -> Checked:
    """Make the two commits, and check them."""
    opened = PullRequest.open(folder, case.base, (*case.breaking, *case.cover))
    return opened.check(*case.arguments, event=case.event, environ=case.environ)


def _commit(repository: Repository, message: str, changes: tuple[Change, ...]) -> str:
    for change in changes:
        change(repository)
    return repository.commit(message)
