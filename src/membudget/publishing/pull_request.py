"""The pull request a report is for, and what became of telling it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request on a server."""

    repository: str
    """"owner/name"."""
    number: int


@dataclass(frozen=True, slots=True)
class Posted:
    """The comment is there."""

    url: str
    created: bool
    """False: an earlier one was edited, or says the same already."""


@dataclass(frozen=True, slots=True)
class NotPosted:
    """There is no comment, and why."""

    reason: str


class Commenter(Protocol):
    """Keeps one comment of ours on a pull request current."""

    def post(self, pull_request: PullRequest, marker: str, body: str) -> Posted | NotPosted:
        """Create the comment that starts with `marker`, or edit the one that is there. Never raises for the server."""


@dataclass(frozen=True, slots=True)
class Place:
    """Lines of a file of the repository."""

    path: str
    first: int
    last: int
