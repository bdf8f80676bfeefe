"""What a commit is said to be on the server: the other way to block a merge, beside the job's exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from membudget.core.errors import ExitCode
from membudget.publish.annotations import Annotation
from membudget.publish.pull_request import NotPosted, Posted


class StatusMode(StrEnum):
    """What is kept on the head commit."""

    NONE = "none"
    """The job's own check alone."""
    STATUS = "status"
    """A commit status: a word and a line."""
    CHECK = "check"
    """A check run: the whole report, with annotations."""


class State(StrEnum):
    """What a commit status can be (GitHub, Forgejo and Gitea have these four in common)."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CommitState:
    """What to say of the commit."""

    state: State
    title: str
    """One line. It may have names in it that are not ours."""
    summary: str = ""
    """Markdown, for whoever can show it."""
    annotations: Sequence[Annotation] = ()


PENDING = CommitState(State.PENDING, "measuring")
NO_VERDICT = CommitState(State.ERROR, "membudget ended without a verdict: see the job's log")


def state_of(code: ExitCode) -> State:
    """What an exit code means for a merge. Nothing but a pass passes."""
    match code:
        case ExitCode.WITHIN_BUDGET:
            return State.SUCCESS
        case ExitCode.OVER_BUDGET:
            return State.FAILURE
        case _:
            return State.ERROR


class CommitStates(Protocol):
    """Where the state of one commit is kept."""

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Say what the commit is now: the newest of a name counts. Never raises for the server."""
