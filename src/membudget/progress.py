"""What the two use cases tell about their progress, wherever it is shown."""

from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """Told as it happens; shown as bars on a terminal, as plain lines in a log."""

    def stage(self, title: str, total: int) -> AbstractContextManager[None]:
        """A stage of `total` steps."""

    def step(self, what: str) -> None:
        """The next step of the stage begins."""

    def output(self, line: str) -> None:
        """A line that a build printed. Not ours: it must not be able to command whoever reads the log."""

    def note(self, text: str) -> None:
        """Something a user should know now."""


class Silence:
    """No progress shown."""

    def stage(self, title: str, total: int) -> AbstractContextManager[None]:
        """Nothing."""
        from contextlib import nullcontext

        del title, total
        return nullcontext()

    def step(self, what: str) -> None:
        """Nothing."""

    def output(self, line: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
