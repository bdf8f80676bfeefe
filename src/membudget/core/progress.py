"""Progress: what the use cases report while they work, as data. `publish` turns it into words and lines."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """A part of the work, in which every image has its turn."""

    BUILDING = "building"
    MEASURING = "measuring"
    TRYING = "trying"
    """Finding out how images can be run."""


class Doing(StrEnum):
    """What is being done to an image."""

    BUILD = "build"
    READ = "read"
    """Reading the layers."""
    WARM_UP = "warm-up"
    TRIAL = "trial"
    CONFIRM = "confirm"
    """A fresh trial that has to confirm cached results."""
    SEARCH = "search"
    """A trial that narrows down which limit works."""
    PROVE = "prove"
    """A trial that has to prove that a limit works."""
    LARGER = "larger"
    """A trial with larger bodies, which is not judged."""
    TRY = "try"
    """A run that finds out how an image can be run."""
    PROFILE = "profile"
    """A trial that is profiled and never judged."""
    ALLOCATOR = "allocator"
    """A trial whose allocator returns freed memory, which is not judged."""


@dataclass(frozen=True, slots=True)
class ProgressStep:
    """One step of the work on an image."""

    image: str
    doing: Doing
    side: str = ""
    """The side that is built or run. Empty if there is only one."""
    number: int = 0
    """The number of a trial, from 1."""
    most: int = 0
    """The number of the last trial that is planned so far."""
    is_extra: bool = False
    """Whether the trial is run only because the earlier trials left the answer uncertain, or did not start."""
    left: int = 0
    """How many trials and warm-ups of this image are expected to follow."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running trial, as last sampled."""

    image: str
    phase: str
    rss_bytes: int


Live = Callable[[], Sequence[Running]]


def nothing() -> Sequence[Running]:
    """Return no running trial, for stages without trials."""
    return ()


class Progress(Protocol):
    """Receives progress as it happens. Steps of several images may be reported at once, from several threads."""

    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> AbstractContextManager[None]:
        """Report a stage, from start to end. Another thread calls `live` to ask what is running now."""

    def image(self, name: str) -> AbstractContextManager[None]:
        """Report the work of a stage on one image, from start to end."""

    def step(self, step: ProgressStep) -> AbstractContextManager[None]:
        """Report one step of that work, from start to end."""

    def output(self, line: str) -> None:
        """Report a line of a build's output. It is untrusted: it must not be able to issue workflow commands."""

    def note(self, text: str) -> None:
        """Report something that the user should know now."""
