"""Containers without an engine: one service, and what is asked of it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from membudget.engine.containers import Containers, ContainerState
from membudget.measure.workload.service import PlacedDriver


class FakeContainers(Containers):
    """A service that runs until a test ends it. Its methods answer at once."""

    def __init__(self, exit_code: int | None = None, pid: int = 7) -> None:
        self.exit_code = exit_code
        """With which it ended; None: it runs."""
        self.pid = pid
        self.used_s: list[float] = []
        """The CPU time that it has used, each time that it is asked for; then none more."""
        self.output: tuple[str, ...] = ()
        self.provided: list[str] = []
        """Images that were asked for."""

    def state(self, container_id: str) -> ContainerState:
        """As the test says."""
        runs = self.exit_code is None
        return ContainerState(runs, self.exit_code or 0, oom_killed=False, pid=self.pid if runs else 0, health=None)

    def wait(self, container_id: str, timeout_s: float) -> bool:
        """Whether it has ended."""
        return self.exit_code is not None

    def cpu_seconds(self, container_id: str) -> float | None:
        """As the test says."""
        return self.used_s.pop(0) if len(self.used_s) > 1 else next(iter(self.used_s), 0.0)

    def log_tail(self, container_id: str) -> tuple[str, ...]:
        """As the test says."""
        return self.output

    def provide_image(self, image: str, named_in: str) -> None:
        """Note that it was asked for."""
        self.provided.append(image)


class FakeDrivers:
    """Helpers beside the service, which say what a test wants."""

    def __init__(self, *answers: str | Exception) -> None:
        self.asked: list[str] = []
        """The modules that were started."""
        self.ended: list[str] = []
        self.failed: list[str] = []
        """The modules that were ended because of an error."""
        self.orders: list[str] = []
        self._answers = list(answers)

    @contextmanager
    def reaching(self, container_id: str, pid: int, module: str) -> Iterator[PlacedDriver]:
        """A helper that has to enter the network of process `pid`."""
        self.asked.append(module)
        try:
            yield PlacedDriver(self, f"/proc/{pid}/ns/net", pid)
        except BaseException:
            self.failed.append(module)
            raise
        self.ended.append(module)

    def among(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        """The same: it sees the processes beside `pid`."""
        return self.reaching(container_id, pid, module)

    def send(self, line: str) -> None:
        """Note the order."""
        self.orders.append(line)

    def receive(self, timeout_s: float) -> str:
        """The next answer."""
        answer = self._answers.pop(0) if self._answers else TimeoutError()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing is kept."""
