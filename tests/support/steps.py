"""Progress that writes its steps down."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from membudget.core.progress import Live, ProgressStep, Stage, nothing


class Steps:
    """Knows the steps of one image, and of nothing else."""

    def __init__(self) -> None:
        self.steps: list[ProgressStep] = []

    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> AbstractContextManager[None]:
        """No part of it."""
        raise NotImplementedError

    def image(self, name: str) -> AbstractContextManager[None]:
        """No part of it."""
        raise NotImplementedError

    def step(self, step: ProgressStep) -> AbstractContextManager[None]:
        """Write it down."""
        self.steps.append(step)
        return nullcontext()

    def output(self, line: str) -> None:
        """No part of it."""
        raise NotImplementedError

    def note(self, text: str) -> None:
        """No part of it."""
        raise NotImplementedError
