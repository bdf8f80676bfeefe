"""The state of a commit on the server, which can block a merge in addition to the job's exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from membudget.core.errors import ExitCode
from membudget.publish.annotations import Annotation
from membudget.publish.pull_request import NotPosted, Posted


class StatusMode(StrEnum):
    """The kind of state to set on the head commit."""

    NONE = "none"
    """No state: only the job's own check."""
    STATUS = "status"
    """A commit status: a state and one line."""
    CHECK = "check"
    """A check run: the whole report, with annotations."""


class State(StrEnum):
    """The states of a commit status that GitHub, Forgejo and Gitea have in common."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CommitState:
    """The state to set on the commit."""

    state: State
    title: str
    """One line. It may contain names from strangers."""
    summary: str = ""
    """The report as Markdown, for servers that can show it."""
    annotations: Sequence[Annotation] = ()


PENDING = CommitState(State.PENDING, "measuring")
NO_VERDICT = CommitState(State.ERROR, "membudget ended without a verdict: see the job's log")


def state_of(code: ExitCode) -> State:
    """Return what an exit code means for a merge. Only a pass passes."""
    match code:
        case ExitCode.WITHIN_BUDGET:
            return State.SUCCESS
        case ExitCode.OVER_BUDGET:
            return State.FAILURE
        case _:
            return State.ERROR


class CommitStates(Protocol):
    """Sets the state of one commit."""

    def tell(self, state: CommitState) -> Posted | NotPosted:
        """Set the commit's state. The newest one of a name counts. Never raises errors of the server."""
