"""Trials that were recorded once, to be resampled: `noise/recorded.json`, and what is allowed in it.

`make bench-record-noise` writes it. It holds what was measured, trial by trial in the order in which they ran.
"""

import re
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from membudget.core.errors import ConfigurationError
from membudget.core.metrics import Metric

RECORDED = Path(__file__).parent / "noise" / "recorded.json"
METRICS = (
    Metric.PEAK_RSS,
    Metric.PEAK_MEMORY,
    Metric.PEAK_WORKING_SET,
    Metric.SETTLED_RSS,
    Metric.STARTUP_TIME,
    Metric.CPU_SECONDS,
)
"""What is recorded of each trial."""

_AGAIN = "record anew: make bench-record-noise"
Count = Annotated[int, Field(ge=0, strict=True)]
Words = Annotated[str, Field(min_length=1, max_length=400)]


class _Recorded(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedTrial(_Recorded):
    """The figures of one trial, in the units of their metrics: bytes and milliseconds."""

    peak_rss: Count
    peak_memory: Count
    peak_working_set: Count
    settled_rss: Count | None
    """None of a job, which ends with its work."""
    startup_time: Count | None
    """None of a job, which is never ready."""
    cpu_seconds: Count

    def value(self, metric: Metric) -> int | None:
        """The figure of one of METRICS; None where the workload has none."""
        figure: int | None = getattr(self, metric.value)
        return figure


class RecordedWorkload(_Recorded):
    """The trials of one image under one workload."""

    name: Words
    """Of the image in noise/budgets.toml."""
    description: Words
    """What it is, and why it is noisy."""
    load: Words
    """What exercises it."""
    recorded_on: date
    trials: Annotated[tuple[RecordedTrial, ...], Field(min_length=2)]
    """In the order in which they ran, one after another; the warm-up is not among them."""

    def values(self, metric: Metric) -> list[int]:
        """One metric of all trials, in their order; empty where the workload has none."""
        return [value for trial in self.trials if (value := trial.value(metric)) is not None]


class RecordedNoise(_Recorded):
    """All that was recorded, on one machine."""

    version: Literal[1] = 1
    machine: Words
    """CPUs, kernel, cgroup version, engine."""
    workloads: tuple[RecordedWorkload, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [workload.name for workload in self.workloads]
        if len(names) != len(set(names)):
            raise ValueError("a workload is recorded twice")
        return self

    def with_workload(self, workload: RecordedWorkload) -> "RecordedNoise":
        """The same with `workload`, in the place of an earlier record of that name."""
        others = [other for other in self.workloads if other.name != workload.name]
        place = next((n for n, other in enumerate(self.workloads) if other.name == workload.name), len(others))
        return RecordedNoise(machine=self.machine, workloads=(*others[:place], workload, *others[place:]))


def read(path: Path = RECORDED) -> RecordedNoise:
    """The recorded trials. Raises ConfigurationError when there are none, or the file holds something else."""
    try:
        return RecordedNoise.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path), fix=_AGAIN) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"{place}: {first['msg']}", where=str(path), fix=_AGAIN) from None


def write(recorded: RecordedNoise, path: Path = RECORDED) -> None:
    """Write it with a trial a line, for a readable diff."""
    text = recorded.model_dump_json(indent=1)
    path.write_text(re.sub(r"\{[^{}]*\}", lambda trial: " ".join(trial[0].split()), text) + "\n")


def middle_half_percent(values: Sequence[int]) -> float:
    """The distance between the quartiles, in percent of the median."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return 100 * (high - low) / median


def range_percent(values: Sequence[int]) -> float:
    """The distance between the smallest and the largest, in percent of the median."""
    return 100 * (max(values) - min(values)) / statistics.median(values)
