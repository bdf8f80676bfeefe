"""Runs trials of different images side by side, when there is room for them."""

import queue
from collections.abc import Sequence

from membudget.measure.runner import LiveTrial, TrialRunner
from membudget.measure.schedule import Admission, TrialLedger
from membudget.measure.trial import Trial, TrialSpec


class TrialPool:
    """Some runners. Each runs one trial at a time; whoever asks waits for room, and for a free one."""

    def __init__(self, runners: Sequence[TrialRunner], admission: Admission) -> None:
        self._runners = runners
        self._admission = admission
        self._free: queue.SimpleQueue[TrialRunner] = queue.SimpleQueue()
        for runner in runners:
            self._free.put(runner)
        self._ledger = TrialLedger()

    @property
    def jobs(self) -> int:
        """How many trials may run at once."""
        return len(self._runners)

    @property
    def place(self) -> str:
        """Where samples are taken from, in words."""
        return self._runners[0].place

    @property
    def rate_hz(self) -> int:
        """Looks a second at rest."""
        return self._runners[0].rate_hz

    def run(self, spec: TrialSpec) -> Trial:
        """Run `spec` when there is room. Raises EnvironmentFault when nothing can be said about the image."""
        with self._admission.admitted(spec.limit_bytes):
            runner = self._free.get()
            try:
                return runner.run(spec, self._ledger)
            finally:
                self._free.put(runner)

    def live(self) -> list[LiveTrial]:
        """The trials that run, as last sampled. Called from another thread."""
        return [trial for runner in self._runners if (trial := runner.live()) is not None]

    def cancel(self) -> None:
        """End what runs, from another thread: each runner then fails soon."""
        for runner in self._runners:
            runner.cancel()
