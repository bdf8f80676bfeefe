"""What membudget needs from a server with pull requests: GitHub, Forgejo, Gitea and their like.

Each server is one class in `publish/servers` that fulfils `Server`. Nothing else knows which server it is.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from membudget.publish.comment import CommentServer, IssueServer
from membudget.publish.commit_state import CommitStates, StatusMode
from membudget.publish.pull_request import NotPosted, PullRequest, WorkflowRun
from membudget.publish.suggestions import SuggestionServer
from membudget.report.formats.markdown import LONGEST_COMMENT
from membudget.report.report import Report


@dataclass(frozen=True, slots=True)
class MeasuringRun:
    """The workflow run that measured. The server wrote these fields, so a fork cannot forge them."""

    run: WorkflowRun
    event: str
    """The event that started the run."""
    head_owner: str | None
    """The owner of the measured branch. None once that repository is deleted."""
    head_repository: str | None
    head_branch: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """The event that started this run. Empty outside of a server's job."""

    pull_request: PullRequest | None = None
    base_sha: str | None = None
    """The commit to compare with: the base branch's tip, the merge queue's base, or what a push replaced."""
    head_sha: str | None = None
    """The pull request's own head. The job may have checked out a merge of it into its base."""
    commit_sha: str | None = None
    """The commit whose merge waits for this run: the pull request's own head, the queue's head, or the pushed one."""
    run: WorkflowRun | None = None
    """This run. None if the job does not say, or if there is no commit."""
    labels: frozenset[str] = frozenset()
    """The pull request's labels at the event. Only people with triage rights can set one."""
    new_labels: frozenset[str] = frozenset()
    """The labels that the event itself set, and so for the current head."""
    is_queued: bool = False
    """Whether a merge queue tests the commit."""
    measured: MeasuringRun | None = None
    """The run of another workflow that ended."""

    main_commit: str | None = None
    """The commit that was pushed to the default branch, by this event or by the run that ended. None in a fork."""

    @property
    def is_before_merge(self) -> bool:
        """Whether nobody has merged the head yet. Its code may have written to the cache."""
        return self.pull_request is not None or self.is_queued


@dataclass(frozen=True, slots=True)
class ForeignReport:
    """A report that another run left, and its pull request, which comes from the server and not from the file."""

    report: Report
    pull_request: PullRequest | None
    """None for a merge queue or a push."""


class Right(Enum):
    """What a token may be allowed to write, as messages name it."""

    COMMENTS = "comments"
    LABELS = "labels"
    STATUSES = "commit statuses"
    CHECK_RUNS = "check runs"
    ISSUES = "issues"
    COMMIT_COMMENTS = "comments on commits"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server can do."""

    check_runs: bool = False
    """Whether a check run can be kept on a commit. Otherwise, the commit gets a status."""
    foreign_reports: bool = False
    """Whether the report of another run can be read."""
    longest_comment: int = LONGEST_COMMENT
    """Characters."""
    longest_check_summary_bytes: int = 65_535


@dataclass(frozen=True, slots=True)
class Access:
    """What a server says of a token, without anything being written. Rights to write show only when they are used."""

    repository: str
    owner: str | None = None
    """The account. None for the token of a workflow or an app, and if the server does not say."""
    reads_repository: bool | None = None
    """Whether the token may read the repository. None if that was not asked."""
    reads_pull_requests: bool | None = None
    may_push: bool | None = None
    """Whether the account may push to the repository. None if the server does not say."""


class Server(Protocol):
    """A server, and membudget's job on it.

    The class is made with the job's environment and a token, which may be empty. It raises ConfigurationError for
    settings that cannot work. `comments`, `commit_states`, `remove_label`, `suggestions`, `issues`,
    `commit_comments` and `report_of` need a token.
    """

    capabilities: Capabilities

    @property
    def name(self) -> str:
        """The server's name in messages."""

    @property
    def has_token(self) -> bool:
        """Whether there is a token."""

    def event(self) -> Event:
        """Return the event that started the job. Raises ConfigurationError if it cannot be understood."""

    def run_link(self, run: WorkflowRun) -> str:
        """Return the address of a run."""

    def comments(self, pull_request: PullRequest) -> CommentServer:
        """Return the comments of a pull request. Makes no request yet."""

    def commit_states(self, mode: StatusMode, run: WorkflowRun, name: str) -> CommitStates:
        """Return the state of a run's commit, under a name. `mode` is one that the server is capable of."""

    def suggestions(self, pull_request: PullRequest) -> SuggestionServer | None:
        """Return where changes of lines are suggested. Makes no request yet. Default: None, the server has no such."""
        del pull_request
        return None

    def commit_link(self, sha: str) -> str | None:
        """Return the address of a commit of the job's repository. Default: None."""
        del sha
        return None

    def issues(self, since: datetime | None) -> IssueServer | None:
        """Return the repository's issues. Makes no request yet. Default: None.

        `since`: whoever looks for an issue knows that it is younger. None: it may have any age.
        """
        del since
        return None

    def commit_comments(self, sha: str) -> CommentServer | None:
        """Return the comments on a commit. Makes no request yet. Default: None, the server has none."""
        del sha
        return None

    def remove_label(self, pull_request: PullRequest, label: str) -> str | None:
        """Remove a label. Return the reason if it stays. Default: the server cannot remove labels."""
        del pull_request, label
        return f"{self.name} cannot remove a label by its name"

    def access(self) -> Access | None:
        """Return what the server says of the token. It only reads. Raises ServerFault and ConfigurationError.

        Default: None, because the server is not asked.
        """
        return None

    def report_of(self, measured: MeasuringRun, artifact: str) -> ForeignReport | NotPosted:
        """Return the report of another run. Raises ConfigurationError if the artifact is no report."""
        del measured, artifact
        return NotPosted(f"{self.name} has no reports of other runs")
