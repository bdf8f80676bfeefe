"""Which images a nightly job measures again: those whose last figure is old, as many as fit into its time.

An image that nobody changes gets no figures from pushes. Its memory can move nevertheless: by an update of its base
image, or by packages that its build installs (docs/adr/0043-nightly.md).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median_low

from membudget.history.series import Point

_ENOUGH_TIMES = 3
"""How many of the newest times of an image count. One check with an empty build cache does not move their median."""


def durations_ms(points: Iterable[Point], images: Collection[str]) -> dict[str, int]:
    """Return how long one side of each image took, in milliseconds. Images of which it is not known are left out.

    `points` are newest first, and about one metric. They are read until enough is known of all images.
    """
    found: dict[str, list[int]] = {}
    missing = set(images)
    for point in points:
        image, took_ms = point.line.image, point.line.took_ms
        if image in missing and took_ms is not None:
            found.setdefault(image, []).append(took_ms)
            if len(found[image]) == _ENOUGH_TIMES:
                missing.remove(image)
        if not missing:
            break
    return {image: median_low(times) for image, times in found.items()}


@dataclass(frozen=True, slots=True)
class LastFigure:
    """When an image was measured last, and how long that takes."""

    image: str
    time: datetime | None
    """When that check began. None if such a machine never measured the image."""
    took_ms: int | None = None
    """How long its build and its trials take on such a machine. None if unknown."""

    def is_older(self, age: timedelta, now: datetime) -> bool:
        """Return whether the figure is older than `age`."""
        return self.time is None or now - self.time > age


def last_figures(points: Iterable[Point], images: Collection[str], machine: str) -> list[LastFigure]:
    """Return when each image was measured last on such a machine: never first, then the oldest.

    `points` are newest first, and about one metric. Their times come from the clocks of runners. A clock that is ahead
    makes a figure look young for as long as it is ahead. Lines of the future were skipped.
    """
    newest: dict[str, datetime] = {}
    times: dict[str, list[int]] = {image: [] for image in images}
    for line in (point.line for point in points):
        if line.machine != machine or line.image not in times:
            continue
        newest[line.image] = max(line.time, newest.get(line.image, line.time))
        if line.took_ms is not None and len(times[line.image]) < _ENOUGH_TIMES:
            times[line.image].append(line.took_ms)
    found = [LastFigure(image, newest.get(image), median_low(took) if took else None) for image, took in times.items()]
    return sorted(found, key=lambda one: (one.time is not None, one.time.timestamp() if one.time is not None else 0))


@dataclass(slots=True)
class Night:
    """The images that one run has to measure, and the time that it has."""

    due: list[str]
    """Those that were not begun yet, the oldest figure first."""
    known_ms: dict[str, int]
    """How long images took. An image that is not known counts as the median."""
    budget_ms: int | None
    """None: all the time that it takes."""
    begun: list[str] = field(default_factory=list)

    def next_images(self, elapsed_ms: int, most: int) -> tuple[str, ...]:
        """Return at most `most` images to measure now, side by side, and take them off the list. Empty if time is up.

        An image that does not fit any more is passed over for shorter ones. Each night its figure is among the oldest,
        so some night it is the first, and the first one is always measured.
        """
        left_ms = self.budget_ms - elapsed_ms if self.budget_ms is not None else None
        fitting = [image for image in self.due if left_ms is None or self._fits(image, left_ms)][:most]
        if not self.begun and self.due and self.due[0] not in fitting:
            fitting = self.due[:1]
        self.due = [image for image in self.due if image not in fitting]
        self.begun += fitting
        return tuple(fitting)

    def learn(self, took_ms: Mapping[str, int]) -> None:
        """Take over how long images took just now."""
        self.known_ms |= took_ms

    def _fits(self, image: str, left_ms: int) -> bool:
        """Return whether an image fits. While nothing is known of any image, only the first one is measured."""
        if not self.known_ms:
            return not self.begun and image == self.due[0]
        return self.known_ms.get(image, median_low(self.known_ms.values())) <= left_ms
