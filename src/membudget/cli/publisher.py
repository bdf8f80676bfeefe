"""What publishes, wired: a server, what the settings want kept there, and the step that says how it went."""

import os
import sys
from collections.abc import Iterator, Mapping
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
from membudget.publish.workflow import WorkflowStep, warn
from membudget.report.report import JudgedReport


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """What is to be told, and how."""

    comment: CommentSettings
    status: StatusMode = StatusMode.NONE
    policy: ExitPolicy = ExitPolicy()
    """What the state of the commit is made of."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """What was measured for whom."""

    pull_request: PullRequest | None
    run: WorkflowRun | None
    """None outside of a workflow."""
    is_elsewhere: bool = False
    """Whether another run measured: annotations of this one would be at the wrong commit."""


class Publisher:
    """Tells one addressee."""

    def __init__(
        self, server: Server, settings: PublishSettings, addressee: Addressee, environ: Mapping[str, str]
    ) -> None:
        self._server = server
        self._settings = settings
        self._addressee = addressee
        self._step = WorkflowStep(environ, sys.stdout, warn, annotates=not addressee.is_elsewhere)
        self._commit = self._commit_states()
        self._is_told = False
        """Whether the commit has its verdict."""
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
        """Say of the commit that it is being measured; and not for ever, where no verdict comes of it."""
        with self.or_no_verdict():
            self._tell(PENDING)
            yield

    @contextmanager
    def or_no_verdict(self) -> Iterator[None]:
        """Where what is within comes to no verdict, say that of the commit."""
        try:
            yield
        except BaseException:
            if not self._is_told:
                self._tell(NO_VERDICT)
            raise

    def publish(self, result: JudgedReport, path: Path, lines: KeyLines | None = None) -> None:
        """Tell everywhere, and say what could not be told."""
        destination = publish.Destination(
            self._addressee.pull_request,
            ServerCommenter(self._server.comments) if self._server.has_token else None,
            self._settings.comment,
            run=self._addressee.run,
            run_link=self._server.run_link,
            commit=self._commit,
            capabilities=self._server.capabilities,
            policy=self._settings.policy,
            records_approval=not self._addressee.is_elsewhere,
            lines=lines,
        )
        outcome = publish.run(result, str(path), self._step, destination)
        self._is_told = True
        self._warn_of(outcome.commit if self._commit is not None else self._no_states())
        if isinstance(outcome.comment, Posted):
            done = "created" if outcome.comment.created else "updated"
            warn(f"comment {done}: {outcome.comment.url}")
        elif outcome.comment.is_known:
            warn(f"no comment was posted: {outcome.comment.reason}")
        else:
            warn(f"a comment may have been posted, but membudget could not check: {outcome.comment.reason}")

    def _no_states(self) -> NotPosted | None:
        """Why nothing can be said of the commit; None where nothing is to be."""
        if self._settings.status is StatusMode.NONE:
            return None
        has_token = self._server.has_token
        return NotPosted("this run's event names no commit" if has_token else "there is no token")

    def _tell(self, state: CommitState) -> None:
        if self._commit is not None:
            self._warn_of(self._commit.tell(state))

    def _warn_of(self, outcome: Posted | NotPosted | None) -> None:
        """Say why the commit has no status, once for each reason: what is refused when it begins, is so at the end."""
        if isinstance(outcome, NotPosted) and outcome.reason not in self._said:
            self._said.add(outcome.reason)
            if outcome.is_known:
                warn(f"no commit status was posted: {outcome.reason}")
            else:
                warn(f"a commit status may have been posted, but membudget could not check: {outcome.reason}")


def lines_of(budgets: str) -> KeyLines | None:
    """Where the keys of the budgets file are, if it is checked out here."""
    path = Path(os.path.normpath(budgets))  # as the server knows the file, or an annotation is shown nowhere
    if path.is_absolute() or path.parts[:1] == ("..",):
        return None
    try:
        text = read_plain(path, LARGEST_FILE_BYTES).decode()
    except (OSError, ValueError):
        return None
    return key_lines(text, str(path))
