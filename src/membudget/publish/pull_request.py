"""The pull request a report is for, and what became of telling it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request on a server."""

    repository: str
    """"owner/name"."""
    number: int


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """The run of a workflow that measured."""

    id: int
    """Unique in the repository."""
    number: int
    """Counts the runs of one workflow: a later one has a higher number."""
    attempt: int
    """Counts the re-runs of one run, from 1."""
    head_sha: str
    """The commit that it is for: the pull request's own head, not the merge of it that was checked out."""

    @property
    def order(self) -> tuple[int, int]:
        """What is newer is larger."""
        return self.number, self.attempt


@dataclass(frozen=True, slots=True)
class Posted:
    """What was to be told is there."""

    url: str
    created: bool
    """False: an earlier one was edited, or says the same already."""


@dataclass(frozen=True, slots=True)
class NotPosted:
    """It is not there, and why."""

    reason: str
    is_wanted: bool = False
    """Whether that is as the settings want it, and nobody needs a warning."""
    is_known: bool = True
    """False: it may be there all the same, and nobody could look."""


@dataclass(frozen=True, slots=True)
class Place:
    """Lines of a file of the repository."""

    path: str
    first: int
    last: int
