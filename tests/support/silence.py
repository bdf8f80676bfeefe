"""A check that shows no progress."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from membudget.core.progress import Live, ProgressStep, Stage, nothing


class Silence:
    """No progress shown."""

    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> AbstractContextManager[None]:
        """Nothing."""
        del stage, images, live
        return nullcontext()

    def image(self, name: str) -> AbstractContextManager[None]:
        """Nothing."""
        del name
        return nullcontext()

    def step(self, step: ProgressStep) -> AbstractContextManager[None]:
        """Nothing."""
        del step
        return nullcontext()

    def output(self, line: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
