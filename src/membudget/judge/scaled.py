"""How an image's memory grows with CPUs and connections: what was measured, and what follows for production."""

import statistics
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.core.files import Stored
from membudget.manifests.deployed import CpuLimit

_MOST = 1 << 50
_Bytes = Annotated[int, Field(ge=0, le=_MOST)]
_Growth = Annotated[int, Field(ge=-_MOST, le=_MOST)]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True, order=True)
class TrialScale(Stored):
    """With how many CPUs and connections a trial runs."""

    cpus: _Count
    connections: _Count | None = None
    """None if the workload sends no HTTP requests, so that the number is not known."""


@dataclass(frozen=True, slots=True)
class Estimate(Stored):
    """A size, or a growth of memory, with its 95 % interval, in bytes."""

    value_bytes: _Growth
    low_bytes: _Growth
    high_bytes: _Growth

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low_bytes > 0 or self.high_bytes < 0


class Bend(StrEnum):
    """How memory differs from a sum of a fixed part, a part of each CPU and a part of each connection."""

    CPUS = "cpus"
    """Each further CPU takes more, or less, than the one before."""
    CONNECTIONS = "connections"
    """Each further connection takes more, or less, than the one before."""
    BOTH = "both"
    """What a connection takes depends on the number of CPUs."""


class NoSize(StrEnum):
    """Why there is no size to expect in production."""

    NOT_ASKED = "not asked"
    CPUS_NOT_VARIED = "CPUs not varied"
    """All trials had one number of CPUs, and production has another."""
    CONNECTIONS_NOT_VARIED = "connections not varied"
    BENT = "bent"
    """Memory does not grow along a line, and production is outside of what was measured."""


class Halt(StrEnum):
    """Why an image has no figures."""

    KILLED = "killed"
    """The kernel killed a process at the image's limit."""
    FAILED = "failed"
    """The workload failed."""
    NO_FIGURE = "no figure"
    """The peak of a trial is not known."""
    FAULT = "fault"
    """The image does not build, or the machine could not run it."""
    NOTHING_VARIES = "nothing varies"
    """There is one number of CPUs, and one load."""


@dataclass(frozen=True, slots=True)
class Halted(Stored):
    """Why an image has no figures, and where that happened."""

    why: Halt
    reason: str | None = None
    """A sentence that may come from outside."""
    place: TrialScale | None = None


@dataclass(frozen=True, slots=True)
class ScaledPoint(Stored):
    """The trials in one place."""

    place: TrialScale
    peaks_bytes: Annotated[tuple[_Bytes, ...], Field(max_length=1000)]
    """The peak RSS of each trial."""

    @property
    def median_bytes(self) -> int:
        """The median of the peaks."""
        return round(statistics.median(self.peaks_bytes))


@dataclass(frozen=True, slots=True)
class ExpectedSize(Stored):
    """The peak RSS to expect in production."""

    place: TrialScale
    peak: Estimate
    """Its interval is about the peak of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledImage(Stored):
    """What was found out about one image."""

    name: str
    limit_bytes: _Bytes | None
    """The limit under which it ran."""
    points: Annotated[tuple[ScaledPoint, ...], Field(max_length=64)] = ()
    per_cpu: Estimate | None = None
    """None if the CPUs did not vary. If memory bends: in the middle of what was measured."""
    per_connection: Estimate | None = None
    fixed: Estimate | None = None
    """What is taken with no CPU and no connection, if memory grows along a line."""
    bends: Annotated[tuple[Bend, ...], Field(max_length=3)] = ()
    untested: Annotated[tuple[Bend, ...], Field(max_length=3)] = ()
    """The bends that these trials cannot show, because that takes a third number of CPUs or connections."""
    cpu_limit: CpuLimit | None = None
    """The limit in the manifests that gave the CPUs of production. None if the user named them, or if there is none."""
    size: ExpectedSize | None = None
    no_size: NoSize | None = NoSize.NOT_ASKED
    """None if there is a size."""
    halted: Halted | None = None
    """None if the image has figures."""
    duration_ms: Annotated[int, Field(ge=0)] = 0
