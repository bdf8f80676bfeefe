"""Containers without an engine: one service, and what is asked of it."""

from membudget.engine.containers import Containers, ContainerState


class FakeContainers(Containers):
    """A service that runs until a test ends it. Its methods answer at once."""

    def __init__(self, exit_code: int | None = None, pid: int = 7) -> None:
        self.exit_code = exit_code
        """With which it ended; None: it runs."""
        self.pid = pid
        self.provided: list[str] = []
        """Images that were asked for."""

    def state(self, container_id: str) -> ContainerState:
        """As the test says."""
        runs = self.exit_code is None
        return ContainerState(runs, self.exit_code or 0, oom_killed=False, pid=self.pid if runs else 0, health=None)

    def wait(self, container_id: str, timeout_s: float) -> bool:
        """Whether it has ended."""
        return self.exit_code is not None

    def provide_image(self, image: str) -> None:
        """Note that it was asked for."""
        self.provided.append(image)
