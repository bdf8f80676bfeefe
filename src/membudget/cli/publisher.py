"""Publishes to a server and a workflow step, as the settings say, and reports what could not be published."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from membudget.budgets.file import LARGEST_FILE_BYTES
from membudget.budgets.lines import KeyLines, key_lines
from membudget.core.files import read_plain
from membudget.judge.whole import ExitPolicy
from membudget.publish import publish
from membudget.publish.comment import CommentSettings, ServerCommenter
from membudget.publish.commit_state import NO_VERDICT, PENDING, CommitState, CommitStates, StatusMode
from membudget.publish.pull_request import NotPosted, Posted, PullRequest, WorkflowRun
from membudget.publish.server import Server
from membudget.publish.suggestions import Suggested, SuggestionServer
from membudget.publish.workflow import WorkflowStep, warn
from membudget.report.report import JudgedReport

_PAUSE_S = 2.0
"""Before a comment is looked for that the server did not confirm."""


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """What to publish."""

    comment: CommentSettings
    status: StatusMode = StatusMode.NONE
    policy: ExitPolicy = ExitPolicy()
    """Decides the commit's state."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """What a result is for."""

    pull_request: PullRequest | None
    run: WorkflowRun | None
    """The run that measured. None outside of a workflow."""
    measured_elsewhere: bool = False
    """Whether another run measured. Annotations of this run would be at the wrong commit."""


class Publisher:
    """Publishes to one addressee."""

    def __init__(
        self,
        server: Server,
        settings: PublishSettings,
        addressee: Addressee,
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._settings = settings
        self._addressee = addressee
        self._step = WorkflowStep(environ, sys.stdout, warn, annotates=not addressee.measured_elsewhere)
        self._commit = self._commit_states()
        self._is_state_final = False
        """Whether the commit's verdict was set. An interruption after that must not replace it."""
        self._sleep = sleep
        self._said: set[str] = set()

    def _commit_states(self) -> CommitStates | None:
        """Return where the commit's state is kept. None if no state is wanted, or if none is possible."""
        mode, run, key = self._settings.status, self._addressee.run, self._settings.comment.key
        if mode is StatusMode.NONE or run is None or not self._server.has_token:
            return None
        if mode is StatusMode.CHECK and not self._server.capabilities.check_runs:
            warn(f"{self._server.name} has no check runs: the commit gets a status")
            mode = StatusMode.STATUS
        return self._server.commit_states(mode, run, "membudget" if key == "default" else f"membudget/{key}")

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Set the commit's state to pending. If the block fails, end that state."""
        with self.or_no_verdict():
            self._tell(PENDING)
            yield

    @contextmanager
    def or_no_verdict(self) -> Iterator[None]:
        """If the block fails, set the commit's state to an error without a verdict."""
        try:
            yield
        except BaseException:
            if not self._is_state_final:
                self._tell(NO_VERDICT)
            raise

    def publish(self, result: JudgedReport, path: Path, lines: KeyLines | None = None) -> None:
        """Publish everywhere. Warn about what could not be published."""
        pull_request = self._addressee.pull_request
        destination = publish.Destination(
            pull_request,
            ServerCommenter(self._server.comments, self._pause) if self._server.has_token else None,
            self._settings.comment,
            run=self._addressee.run,
            run_link=self._server.run_link,
            commit=_VerdictStates(self._commit, self._set_state_final) if self._commit is not None else None,
            capabilities=self._server.capabilities,
            policy=self._settings.policy,
            records_approval=not self._addressee.measured_elsewhere,
            lines=lines,
            suggestions=self._suggestions(pull_request),
        )
        outcome = publish.run(result, str(path), self._step, destination)
        self._warn_of(outcome.commit if self._commit is not None else self._no_states())
        if isinstance(outcome.comment, Posted):
            warn(f"comment {_done(outcome.comment)}: {outcome.comment.url}")
        elif outcome.comment.is_known:
            warn(f"no comment was posted: {outcome.comment.reason}")
        else:
            warn(f"a comment may have been posted, but membudget could not check: {outcome.comment.reason}")
        _tell_suggestions(outcome.suggestions)

    def _suggestions(self, pull_request: PullRequest | None) -> SuggestionServer | None:
        if pull_request is None or not self._server.has_token:
            return None
        return self._server.suggestions(pull_request)

    def _no_states(self) -> NotPosted | None:
        """Return why the commit's state cannot be set. None if no state is wanted."""
        if self._settings.status is StatusMode.NONE:
            return None
        has_token = self._server.has_token
        return NotPosted("this run's event names no commit" if has_token else "there is no token")

    def _set_state_final(self) -> None:
        self._is_state_final = True

    def _pause(self) -> None:
        self._sleep(_PAUSE_S)

    def _tell(self, state: CommitState) -> None:
        if self._commit is not None:
            self._warn_of(self._commit.tell(state))

    def _warn_of(self, outcome: Posted | NotPosted | None) -> None:
        """Warn that the commit has no state, once for each reason: a refusal comes at the beginning and at the end."""
        if isinstance(outcome, NotPosted) and outcome.reason not in self._said:
            self._said.add(outcome.reason)
            if outcome.is_known:
                warn(f"no commit status was posted: {outcome.reason}")
            else:
                warn(f"a commit status may have been posted, but membudget could not check: {outcome.reason}")


class _VerdictStates(CommitStates):
    """Notes that the commit's verdict is set. The comment follows, and may be interrupted."""

    def __init__(self, states: CommitStates, note: Callable[[], None]) -> None:
        self._states = states
        self._note = note

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Set the commit's state."""
        outcome = self._states.tell(state)
        self._note()
        return outcome


def _tell_suggestions(outcome: Suggested | NotPosted | None) -> None:
    if isinstance(outcome, NotPosted):
        which = "no suggestions were posted" if outcome.is_known else "not all suggestions may have been posted"
        warn(f"{which}: {outcome.reason}")
    elif outcome is not None and outcome != Suggested():
        warn(f"suggestions: {outcome.posted} posted, {outcome.edited} updated, {outcome.removed} removed")


def _done(comment: Posted) -> str:
    """Return what was done about a comment, in words that follow its name."""
    if comment.created:
        return "created"
    return "updated" if comment.written else "is current"


def lines_of(budgets: str) -> KeyLines | None:
    """Return the lines of the keys of the budgets file. None if the file is not in the working folder."""
    path = Path(os.path.normpath(budgets))  # the server shows annotations only for the file's own name
    if path.is_absolute() or path.parts[:1] == ("..",):
        return None
    try:
        text = read_plain(path, LARGEST_FILE_BYTES).decode()
    except (OSError, ValueError):
        return None
    return key_lines(text, str(path))
