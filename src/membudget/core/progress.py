"""What the two use cases tell about their progress, wherever it is shown."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Live = Callable[[], str]


def nothing() -> str:
    """No words."""
    return ""


class Progress(Protocol):
    """Told as it happens; shown as bars on a terminal, as plain lines in a log."""

    def stage(self, title: str, total: int, live: Live = nothing) -> AbstractContextManager[None]:
        """A stage of `total` steps. `live` says what happens now, when it is asked, from another thread."""

    def working(self, what: str) -> AbstractContextManager[None]:
        """One step of the stage, from its begin to its end. Several may be at work, each in a thread of its own."""

    def output(self, line: str) -> None:
        """A line that a build printed. Not ours: it must not be able to command whoever reads the log."""

    def note(self, text: str) -> None:
        """Something a user should know now."""
