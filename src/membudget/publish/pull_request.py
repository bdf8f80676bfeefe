"""The pull request of a report, and the results of publishing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request on a server."""

    repository: str
    """The repository as "owner/name"."""
    number: int


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """The workflow run that measured."""

    id: int
    """The run's ID, which is unique in the repository."""
    number: int
    """Counts the runs of one workflow. A later run has a higher number."""
    attempt: int
    """Counts the attempts of one run, from 1."""
    head_sha: str
    """The commit that the run is for: the pull request's own head, not the merge commit that was checked out."""

    @property
    def order(self) -> tuple[int, int]:
        """A key that is larger for newer runs."""
        return self.number, self.attempt


@dataclass(frozen=True, slots=True)
class Posted:
    """What was to be published is there."""

    url: str
    created: bool
    """False if an earlier one was edited or already says the same."""
    written: bool = True
    """False if it already said the same."""


@dataclass(frozen=True, slots=True)
class NotPosted:
    """Nothing was published, for a reason."""

    reason: str
    is_wanted: bool = False
    """Whether the settings ask for that, so that nobody needs a warning."""
    is_known: bool = True
    """False if something may have been published after all, and looking for it failed."""


@dataclass(frozen=True, slots=True)
class LinesOfFile:
    """Lines of a file in the repository."""

    path: str
    first: int
    last: int


class ServerFault(Exception):
    """A call to a server failed. `str()` says why, on one line."""

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        said: str = "",
        *,
        is_answer: bool = True,
        is_limit: bool = False,
    ) -> None:
        super().__init__(reason)
        self.status = status
        """The HTTP status. None: there was no answer, or none that the API gives."""
        self.said = said
        """The server's message."""
        self.is_answer = is_answer
        """Whether the API itself answered. A proxy in front of it may have passed the call on first."""
        self.is_limit = is_limit
        """Whether a rate limit is used up. Then the status says nothing about the token's rights."""

    @property
    def may_have_happened(self) -> bool:
        """Whether the server may have done what was asked all the same."""
        return self.status is None or self.status >= 500 or not self.is_answer

    @property
    def is_gone(self) -> bool:
        """Whether what the call is about is not there, or no longer."""
        return self.status in (404, 410)
