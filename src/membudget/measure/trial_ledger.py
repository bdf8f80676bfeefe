"""What the runners of a run know in common."""

import threading

from membudget.measure.probe.snapshot import Depth


class TrialLedger:
    """What the runners of a run share: the numbers of its trials, and what they learned of its images."""

    def __init__(self) -> None:
        self.rates_hz: dict[str, int] = {}
        """Higher rates that turned out to be needed: of both sides of an image, which are compared."""
        self.depths: dict[str, Depth] = {}
        """How closely the processes of an image may be looked at, where the kernel killed some: of both sides."""
        self._last = 0
        self._lock = threading.Lock()

    def next_number(self) -> int:
        """From 1."""
        with self._lock:
            self._last += 1
            return self._last
