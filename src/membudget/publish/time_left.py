"""Estimates how long measuring will still take, from the trials so far and from how long images took before."""

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from membudget.core.progress import Doing, ProgressStep


@dataclass(slots=True)
class _Measured:
    """An image that is being measured."""

    began: float
    steps_s: list[float] = field(default_factory=list)
    """How long its trials and warm-ups took."""
    step_began: float | None = None
    """When the running trial began. None between two trials."""
    left: int = 0
    """How many trials are expected after the running one."""


class TimeLeft:
    """Keeps the times of one stage. It is not thread-safe: the display holds its lock."""

    def __init__(
        self,
        images: Sequence[str],
        remembered_ms: Mapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Estimate for `images`. `remembered_ms` says how long measuring an image took the last time."""
        self._waiting = dict.fromkeys(images)
        self._remembered_s = {name: duration / 1000 for name, duration in remembered_ms.items()}
        self._at_work: dict[str, _Measured] = {}
        self._clock = clock

    def begin(self, image: str) -> None:
        """Measuring an image begins."""
        self._waiting.pop(image, None)
        self._at_work[image] = _Measured(self._clock())

    def end(self, image: str) -> None:
        """An image is done."""
        self._at_work.pop(image, None)

    def begin_step(self, step: ProgressStep) -> None:
        """A step begins."""
        image = self._at_work.get(step.image)
        if image is not None and step.doing is not Doing.READ:
            image.step_began, image.left = self._clock(), step.left

    def end_step(self, step: ProgressStep) -> None:
        """A step ends."""
        image = self._at_work.get(step.image)
        if image is not None and image.step_began is not None:
            image.steps_s.append(self._clock() - image.step_began)
            image.step_began = None

    def of_image(self, name: str) -> float | None:
        """Return the seconds that an image still needs. None if nothing tells."""
        image = self._at_work.get(name)
        if image is None:
            return self._remembered_s.get(name)
        now = self._clock()
        if not image.steps_s:
            left = self._remembered_s.get(name, 0) - (now - image.began)
            return left if left > 0 else None  # it takes longer than the last time: nothing tells how much
        each = sum(image.steps_s) / len(image.steps_s)
        running = max(0.0, each - (now - image.step_began)) if image.step_began is not None else 0.0
        return running + each * image.left

    def of_all(self) -> float | None:
        """Return the seconds that all images still need. None if one of them is unknown."""
        running = [self.of_image(name) for name in self._at_work]
        waiting = [self.of_image(name) for name in self._waiting]
        known = [left for left in (*running, *waiting) if left is not None]
        if len(known) < len(running) + len(waiting):
            return None
        ends = known[: len(running)] or [0.0]  # as many at once as now
        heapq.heapify(ends)
        for left in known[len(running) :]:
            heapq.heappush(ends, heapq.heappop(ends) + left)
        return max(ends)
