"""Which images a nightly job measures again: those whose last figure is old, as many as fit into its time.

An image that nobody changes gets no figures from pushes. Its memory can move nevertheless: by an update of its base
image, or by packages that its build installs (docs/adr/0043-nightly.md).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median_low
from typing import Annotated, Literal

from pydantic import Field

from membudget.history.kind_line import KindLine
from membudget.history.line import LONGEST_MS, HistoryLine
from membudget.history.series import SeriesPoint

_ENOUGH_TIMES = 3
"""How many of the newest times of an image count. One check with an empty build cache does not move their median."""


class AttemptLine(KindLine):
    """A line about an image that was measured again and got no figure: it does not build or does not run.

    Such lines give every image its turn. Without them, an image that never gets a figure would be the first of every
    night.
    """

    kind: Literal["attempt"] = "attempt"
    took_ms: Annotated[int, Field(ge=0, le=LONGEST_MS)]
    """How long the attempt took, with those that ran side by side."""


def durations_ms(points: Iterable[SeriesPoint], images: Collection[str]) -> dict[str, int]:
    """Return how long one side of each image took, in milliseconds. Images of which it is not known are left out.

    All times come from one kind of machine: the one that measured most of the images, or the newest of several. A
    refresh uses no build cache, so its times count only if there are no others. `points` are newest first, and about
    one metric. They are read until enough is known of all images.
    """
    found: dict[_Comparable, dict[str, list[int]]] = {}
    for line in _timed_lines(points):
        known = found.setdefault(_Comparable(line.machine, line.refresh), {})
        if line.image in images and line.took_ms is not None:
            known.setdefault(line.image, []).append(line.took_ms)
            if not line.refresh and len(known) == len(images) and min(map(len, known.values())) >= _ENOUGH_TIMES:
                break
    best = max(found, key=lambda kind: (bool(found[kind]), not kind.is_refresh, len(found[kind])), default=None)
    times = found[best] if best is not None else {}
    return {image: median_low(took[:_ENOUGH_TIMES]) for image, took in times.items()}


@dataclass(frozen=True, slots=True)
class _Comparable:
    """What lines have in common whose times can be compared."""

    machine: str
    is_refresh: bool


def _timed_lines(points: Iterable[SeriesPoint]) -> Iterator[HistoryLine]:
    """Yield the lines, also those that a refresh replaced."""
    for point in points:
        yield point.line
        if point.replaced is not None:
            yield point.replaced


@dataclass(frozen=True, slots=True)
class LastFigure:
    """When an image was measured last, and how long that takes."""

    image: str
    time: datetime | None
    """When that check began. None if such a machine never measured the image."""
    took_ms: int | None = None
    """How long its build and its trials take on such a machine. None if unknown."""
    failed: datetime | None = None
    """When such a machine tried last and got no figure. None if it never did."""
    failed_ms: int | None = None
    """How long that attempt took."""

    def is_older(self, age: timedelta, now: datetime) -> bool:
        """Return whether the figure is older than `age`."""
        return self.time is None or now - self.time > age

    @property
    def turn(self) -> tuple[bool, float]:
        """What images are sorted by: never tried first, then the one whose last attempt is the oldest."""
        times = [time.timestamp() for time in (self.time, self.failed) if time is not None]
        return bool(times), max(times, default=0)


def last_figures(
    points: Iterable[SeriesPoint], attempts: Iterable[AttemptLine], images: Collection[str], machine: str
) -> list[LastFigure]:
    """Return when each image was measured last on such a machine, in the order in which they have their turn.

    `points` are newest first, and about one metric. `attempts` are read after them. Their times come from the clocks of
    runners. A clock that is ahead makes a figure look young for as long as it is ahead. Lines of the future were
    skipped.
    """
    newest: dict[str, datetime] = {}
    times: dict[str, list[int]] = {image: [] for image in images}
    for line in (point.line for point in points):
        if line.machine != machine or line.image not in times:
            continue
        newest[line.image] = max(line.time, newest.get(line.image, line.time))
        if line.took_ms is not None and len(times[line.image]) < _ENOUGH_TIMES:
            times[line.image].append(line.took_ms)
    failed: dict[str, AttemptLine] = {}
    for attempt in attempts:
        if attempt.machine == machine and (attempt.image not in failed or failed[attempt.image].time < attempt.time):
            failed[attempt.image] = attempt
    found = [
        LastFigure(
            image,
            newest.get(image),
            median_low(took) if took else None,
            failed[image].time if image in failed else None,
            failed[image].took_ms if image in failed else None,
        )
        for image, took in times.items()
    ]
    return sorted(found, key=lambda one: one.turn)


@dataclass(slots=True)
class Night:
    """The images that one run has to measure, and the time that it has."""

    due: list[str]
    """Those that were not begun yet, the one that waits longest first."""
    known_ms: dict[str, int]
    """How long images took that got a figure. An image that is not known counts as the median."""
    budget_ms: int | None
    """None: all the time that it takes."""
    failed_ms: dict[str, int] = field(default_factory=dict)
    """How long images took that got none. This says nothing of other images: a build that fails may be short."""
    begun: list[str] = field(default_factory=list)

    def next_images(self, elapsed_ms: int, most: int) -> tuple[str, ...]:
        """Return at most `most` images to measure now, side by side, and take them off the list. Empty if time is up.

        An image that does not fit any more is passed over for shorter ones. Each night it waits longer, and images that
        were tried, with or without success, wait behind it. So some night it is the first, and the first one is always
        measured. While no image has a figure that says how long it took, images are measured one after the other.
        """
        left_ms = self.budget_ms - elapsed_ms if self.budget_ms is not None else None
        side_by_side = most if self.known_ms or left_ms is None else 1
        fitting = [image for image in self.due if left_ms is None or self._fits(image, left_ms)][:side_by_side]
        if not self.begun and self.due and self.due[0] not in fitting:
            fitting = self.due[:1]
        self.due = [image for image in self.due if image not in fitting]
        self.begun += fitting
        return tuple(fitting)

    def learn(self, took_ms: Mapping[str, int]) -> None:
        """Take over how long images took that got figures just now."""
        self.known_ms |= took_ms

    def _fits(self, image: str, left_ms: int) -> bool:
        """Return whether an image fits. While nothing is known, each fits for as long as time is left."""
        own = [known[image] for known in (self.known_ms, self.failed_ms) if image in known]
        guess = median_low(self.known_ms.values()) if self.known_ms else 0
        return left_ms > 0 and max(own, default=guess) <= left_ms
