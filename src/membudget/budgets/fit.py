"""What `membudget fit` accepts as comfortable, and what it last found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from membudget.budgets.fields import LARGEST_SIZE_BYTES, FileModel, Percent, SizeBytes, not_allowed
from membudget.core.files import Stored
from membudget.core.quantities import format_percent, format_size

DEFAULT_HEADROOM = 15.0
DEFAULT_CPU = 5.0
DEFAULT_LATENCY = 10.0
DEFAULT_REFAULTS_BYTES = 4 << 20
DEFAULT_STALLED = 1.0
MOST_TIMES = 2
"""A limit of more than this many times the last fit is told as too high."""


_Bytes = Annotated[int, Field(ge=0, le=LARGEST_SIZE_BYTES)]
"""A size in a report, which a stranger may have written."""


@dataclass(frozen=True, slots=True)
class LastFit(Stored):
    """What the last fit of an image found, and how far its limit may be from that."""

    survives_bytes: _Bytes
    needed_bytes: _Bytes
    """The comfortable limit, or `survives_bytes` if no limit is known to be comfortable."""
    headroom_percent: Annotated[float, Field(ge=0, le=1000)]
    peak_rss_bytes: _Bytes | None = None
    """The largest peak in the fit. None if it depends on the limit, or is unknown."""


class FitThresholds(FileModel):
    """What `membudget fit` accepts as comfortable, and how far the limit may be from the last fit."""

    headroom: Percent = DEFAULT_HEADROOM
    """The distance that the limit keeps above the last fit, in percent of the fit. A check warns about less, and
    about a limit of more than twice the fit.
    """
    cpu: Percent = DEFAULT_CPU
    """How much more CPU time than without a limit is comfortable, in percent."""
    latency: Percent = DEFAULT_LATENCY
    """How much more p95 latency than without a limit is comfortable, in percent."""
    refaults: SizeBytes = DEFAULT_REFAULTS_BYTES
    """How much memory may be reclaimed and needed again in a comfortable trial."""
    stalled: Annotated[Percent, Field(le=100)] = DEFAULT_STALLED
    """The share of a comfortable trial in which processes may wait for memory, in percent."""


class FitSettings(FitThresholds):
    """What `membudget fit` accepts as comfortable, and what it last found. `fit --write` writes the results."""

    survives: SizeBytes | None = None
    """Result of the last fit: the smallest limit at which the workload passed without an OOM kill."""
    comfortable: SizeBytes | None = None
    """Result of the last fit: the smallest limit at which the workload was also not slowed down."""
    peak_rss: SizeBytes | None = None
    """Result of the last fit: the largest peak RSS. If a check measures a peak that is further away than its `growth`
    tolerates (or 10 % and 4 MiB), it says that the fit has to be repeated. Absent if the peak depends on the limit.
    """

    @model_validator(mode="after")
    def _comfortable_survives(self) -> Self:
        if self.survives is not None and self.comfortable is not None and self.comfortable < self.survives:
            raise not_allowed("a `comfortable` limit that is no less than `survives`")
        return self

    def with_defaults(self, defaults: FitThresholds) -> Self:
        """Return these settings, with `defaults` for everything that they do not set."""
        inherited = {key: getattr(defaults, key) for key in defaults.model_fields_set - self.model_fields_set}
        return self.model_copy(update=inherited)

    def looser_than(self, base: Self) -> Iterator[tuple[str, str, str]]:
        """Yield the keys that silence the base's warnings about the last fit, with both values in words.

        The results of a repeated fit are not looser.
        """
        if base.survives is None:
            return
        if self.survives is None:
            yield "fit.survives", format_size(base.survives), "none"
        if self.headroom < base.headroom:
            yield "fit.headroom", format_percent(base.headroom), format_percent(self.headroom)

    def guarded_by(self, base: Self) -> Self:
        """Return these settings, with the base's results if these have none, and with the larger headroom.

        Without results, the base guards nothing.
        """
        if base.survives is None:
            return self
        known = base if self.survives is None else self
        return known.model_copy(update={"headroom": max(self.headroom, base.headroom)})

    @property
    def last(self) -> LastFit | None:
        """What the last fit found. None if nothing was fitted."""
        if self.survives is None:
            return None
        needed = self.comfortable if self.comfortable is not None else self.survives
        return LastFit(self.survives, needed, self.headroom, self.peak_rss)
