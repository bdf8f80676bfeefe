"""The two commits that are compared, and the images that are built from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Side(StrEnum):
    """The side of a comparison."""

    BASE = "base"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the repository."""

    sha: str
    subject: str
    """The first line of the commit message."""


@dataclass(frozen=True, slots=True)
class MainCommit:
    """A commit of the main branch, as far as the history needs it."""

    sha: str
    time_s: int
    """The committer's time, in seconds since 1970. Anyone who commits can set it."""
    subject: str


@dataclass(frozen=True, slots=True)
class NoBase:
    """Why there is nothing to compare with. Absolute budgets still apply."""

    reason: str


@dataclass(frozen=True, slots=True)
class BaseRequest:
    """How the base was requested."""

    revision: str | None = None
    """The value of `--base`."""
    none: bool = False
    """Whether `--no-base` was given."""
    event_base: str | None = None
    """The base commit of the CI event: a pull request's base, a merge queue's, or the commit that a push replaced."""
    may_be_replaced: bool = False
    """Whether the event is a push. A forced push replaces its base, which then may not be in any clone."""
    event_head: str | None = None
    """The head of the pull request, if the event names it. GitHub checks out its merge into the base instead."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image was built. This tells which line of the Dockerfile created which layer."""

    path: str
    """The path of the Dockerfile in the repository."""
    text: str
    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    provenance: object = None
    """BuildKit's record of the build, as BuildKit wrote it."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image that was built for one side."""

    image_id: str
    """The digest by which the engine runs the image."""
    reference: str
    """The tag that keeps the image during the run."""
    identity: str
    """A digest of the image's properties that is equal for equal images, wherever and whenever they are built."""
    beside: "Mapping[str, BuiltImage]" = field(default_factory=dict)
    """The images that were built for the services around the image, by service."""
    recipe: Recipe | None = None
    build_ms: int = 0
    """How long the build took, without the images beside it."""

    @property
    def all_builds_ms(self) -> int:
        """How long the builds of this image and of the images around it took."""
        return self.build_ms + sum(image.build_ms for image in self.beside.values())

    @property
    def identities(self) -> tuple[str, ...]:
        """Return the identities of this image and of the images around it, sorted by service."""
        return (self.identity, *(image.identity for _, image in sorted(self.beside.items())))
