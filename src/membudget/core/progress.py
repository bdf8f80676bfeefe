"""How use cases report their progress, independent of where it is displayed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Live = Callable[[], str]


def nothing() -> str:
    """Return an empty text, for stages without a live message."""
    return ""


class Progress(Protocol):
    """Receives progress as it happens. A terminal shows bars, and a log plain lines."""

    def stage(self, title: str, total: int, live: Live = nothing) -> AbstractContextManager[None]:
        """Report a stage of `total` steps. Another thread calls `live` to ask what is happening now."""

    def working(self, what: str) -> AbstractContextManager[None]:
        """Report one step of the stage, from start to end. Several steps may run at once, each in its own thread."""

    def output(self, line: str) -> None:
        """Report a line of a build's output. It is untrusted: it must not be able to issue workflow commands."""

    def note(self, text: str) -> None:
        """Report something that the user should know now."""
