"""Revisions: the two commits that are compared, and how their images are named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Side(StrEnum):
    """Which of the two revisions."""

    BASE = "base"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the repository."""

    sha: str
    subject: str
    """First line of its message."""


@dataclass(frozen=True, slots=True)
class NoBase:
    """There is nothing to compare with; absolute budgets still hold."""

    reason: str


@dataclass(frozen=True, slots=True)
class BaseRequest:
    """How the base was asked for."""

    revision: str | None = None
    """What `--base` named."""
    none: bool = False
    """`--no-base`."""
    event_base: str | None = None
    """The commit that the CI event names as base: a pull request's, a merge queue's, what a push replaced."""
    may_be_replaced: bool = False
    """Whether the event is a push: a forced one replaces its base, which may then be in no clone."""
    event_head: str | None = None
    """The pull request's own head, where the event names one: GitHub checks out a merge of it into its base."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image was built, for telling which line made which layer."""

    path: str
    """Of its Dockerfile, in the repository."""
    text: str
    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    provenance: object = None
    """BuildKit's own record, as it wrote it."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that was built for one side."""

    image_id: str
    """What the engine runs it by: a digest."""
    reference: str
    """The tag that keeps it alive during the run."""
    identity: str
    """What it is, wherever and however often it is built: equal for equal images."""
    beside: "Mapping[str, BuiltImage]" = field(default_factory=dict)
    """What was built for the services around it, by service."""
    recipe: Recipe | None = None

    @property
    def identities(self) -> tuple[str, ...]:
        """Its own, and those of what is beside it by the names of their services."""
        return (self.identity, *(image.identity for _, image in sorted(self.beside.items())))
