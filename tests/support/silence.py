"""A check that shows no progress."""

from contextlib import AbstractContextManager, nullcontext

from membudget.core.work import Live, nothing


class Silence:
    """No progress shown."""

    def stage(self, title: str, total: int, live: Live = nothing) -> AbstractContextManager[None]:
        """Nothing."""
        del title, total, live
        return nullcontext()

    def working(self, what: str) -> AbstractContextManager[None]:
        """Nothing."""
        del what
        return nullcontext()

    def output(self, line: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
