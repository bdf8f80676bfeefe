"""Keeps the trials of earlier runs, one file per key.

A stranger may have written the files, so they are checked when read.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import ImageName
from membudget.core.closed_model import ClosedModel
from membudget.core.definition import Unit
from membudget.core.files import read_plain, write_whole
from membudget.core.metrics import BOUNDED_BY_LIMIT, TRIAL_METRICS, Metric
from membudget.measure.trial import Outcome, Trial, TrialSpec
from membudget.version import VERSION

MEASURING_VERSION = 5
"""The version of running trials and reading their figures. Raise it when a figure of the same container could change.
"""


@dataclass(frozen=True, slots=True)
class MachineClass:
    """The properties of a machine that make its figures comparable with those of another machine."""

    engine: str
    platform: str
    kernel: str
    cgroup: str
    """The cgroup version and driver."""
    storage_driver: str
    cpus: int
    cpu_model: str
    memory_gib: int
    probe: str
    rate_hz: int


def result_key(spec: TrialSpec, machine: MachineClass, files: tuple[str, ...] | None) -> str | None:
    """Return the key of `spec` on such a machine. None if its result depends on something that no key can hold.

    `files` identifies the content of the repository's files that the workload uses; None if unknown. Pods, open
    networks and load from other images depend on things that may change unnoticed.
    """
    inputs = spec.inputs
    from_outside = inputs.pod is not None or inputs.is_network_open or spec.pod_images or spec.workload.images
    if spec.identity is None or files is None or from_outside:
        return None
    return _digest(_own_parts(spec, machine, files))


@dataclass(frozen=True, slots=True)
class Around:
    """What is around the container of a trial, and decides its result as well."""

    images: Mapping[str, str]
    """The identity of each image that runs beside it, by service, or by the name that the workload gives it."""
    files: tuple[str, ...]
    """Identifiers of the content of the files that are copied into all services."""
    compose: str | None = None
    """The version of the compose plugin. None if there are no services."""
    day: date | None = None
    """Today, if the network is open. No key can hold what the network answers, so its results count for a day."""


def key_with_surroundings(
    spec: TrialSpec, machine: MachineClass, files: tuple[str, ...] | None, around: Around
) -> str | None:
    """Return a key that also holds what is around the container. None if `files` or the image's identity is unknown.

    If nothing is around it, it is the key of a check's result. A check has no use for others, because its results may
    count for another revision and on another day.
    """
    if spec.identity is None or files is None:
        return None
    if (own := result_key(spec, machine, files)) is not None:
        return own
    pod = to_jsonable_python(spec.inputs.pod)
    beside = [sorted(around.images.items()), around.files, around.compose, str(around.day or "")]
    return _digest([*_own_parts(spec, machine, files), pod, *beside])


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _own_parts(spec: TrialSpec, machine: MachineClass, files: tuple[str, ...]) -> list[object]:
    """Return what decides the result of a container that nothing is around."""
    inputs, workload = spec.inputs, spec.workload
    return [
        MEASURING_VERSION,
        [getattr(machine, name) for name in MachineClass.__slots__],
        spec.identity,
        spec.limit_bytes,
        spec.timeout_ms,
        spec.settle_ms,
        spec.is_alone,
        spec.asks_live_heap,
        workload.model_dump(mode="json"),
        sorted(spec.unjudged_phases),
        sorted(inputs.environment.items()),
        sorted(inputs.tmpfs.items()),
        sorted((path, os.path.relpath(folder, inputs.checkout or ".")) for path, folder in inputs.volumes.items()),
        [inputs.read_only, inputs.user, inputs.cpus],
        files,
    ]


_LARGEST_FILE_BYTES = 20_000_000
_MOST_BYTES = 200_000_000
_MOST_TRIALS = 200
_SLACK = 1.05
"""A mark may exceed the limit by the memory that is charged in batches."""
_LARGEST = {
    Unit.BYTES: 1 << 50,
    Unit.COUNT: 1_000_000,
    Unit.MILLISECONDS: 48 * 3_600_000,
    Unit.MICROSECONDS: 48 * 3_600_000_000,
    Unit.PER_1000_SECONDS: 10**12,
    Unit.PER_1000_SECONDS_AND_GIB: 10**15,
}


class _File(ClosedModel):
    format: Literal[1] = 1
    measuring_version: int = MEASURING_VERSION
    membudget_version: str = VERSION
    key: str
    limit_bytes: int | None
    trials: Annotated[tuple[Trial, ...], Field(min_length=1, max_length=_MOST_TRIALS)]


class ResultCache:
    """A folder with one file per key. Files that are unreadable or implausible are ignored with one warning."""

    def __init__(self, folder: Path, warn: Callable[[str], None], *, is_trusted: bool = True) -> None:
        """Use `folder`. `is_trusted` says whether only people with write access to the repository can write there."""
        self.is_trusted = is_trusted
        self._folder = folder / "results"
        self._warn = warn
        self._told: set[str] = set()
        """Problems already reported. An unusable folder causes one warning, not one per image."""

    def get(self, key: str) -> tuple[Trial, ...]:
        """Return the trials stored under `key`, or none."""
        path = self._path(key)
        try:
            data = read_plain(path, _LARGEST_FILE_BYTES)
        except FileNotFoundError:
            return ()
        except OSError as error:
            self._unusable(error)
            return ()
        problem, trials = _believed(data, key)
        if problem is not None:
            self._warn_once(problem, f"remembered results are ignored: {path.name} {problem}")
            return ()
        with contextlib.suppress(OSError):
            os.utime(path)  # the files used last are kept longest
        return trials

    def put(self, key: str, limit_bytes: int | None, trials: Sequence[Trial]) -> None:
        """Store trials that passed. If the cache is not writable, that costs time but does not fail the check."""
        if not trials or any(_problem_of(trial, limit_bytes) for trial in trials):
            return
        if any(trial.metrics[Metric.OOM_KILLS].value is None for trial in trials):
            return  # another trial may have the count
        text = _File(key=key, limit_bytes=limit_bytes, trials=tuple(trials)).model_dump_json()
        try:
            write_whole(self._path(key), text.encode())
        except OSError as error:
            self._unusable(error)

    def prune(self, most_bytes: int = _MOST_BYTES) -> None:
        """Remove the files that were not used for longest, until the rest is at most `most_bytes`."""
        with contextlib.suppress(OSError):
            files = [(path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.iterdir()]
            total = 0
            for _, size, path in sorted(files, reverse=True):
                total += size
                if total > most_bytes:
                    path.unlink(missing_ok=True)

    def _unusable(self, error: OSError) -> None:
        said = f"{self._folder} cannot be used: {error.strerror}. What was measured before is measured again"
        self._warn_once("unusable", f"the cache {said}")

    def _warn_once(self, problem: str, text: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self._warn(text)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _believed(data: bytes, key: str) -> tuple[str | None, tuple[Trial, ...]]:
    """Return what is wrong with a file, and its trials if nothing is."""
    if len(data) > _LARGEST_FILE_BYTES:
        return "is too large", ()
    try:
        file = _File.model_validate_json(data, strict=True)
    except (ValidationError, RecursionError, ValueError):
        return "is damaged, or from another version of membudget", ()
    if (file.measuring_version, file.membudget_version) != (MEASURING_VERSION, VERSION):
        return "is from another version of membudget", ()
    if file.key != key:
        return "is of something else", ()
    problem = next((problem for trial in file.trials if (problem := _problem_of(trial, file.limit_bytes))), None)
    return (problem, ()) if problem is not None else (None, file.trials)


def _problem_of(trial: Trial, limit_bytes: int | None) -> str | None:
    """Return why no measured and passed trial can look like this one, or None if it can."""
    return next(_problems_of(trial, limit_bytes), None)


def _problems_of(trial: Trial, limit_bytes: int | None) -> Iterator[str]:
    if trial.outcome is not Outcome.COMPLETED or not trial.workload_passed:
        yield "holds a trial that did not pass"
    if set(trial.metrics) != set(TRIAL_METRICS):
        yield "lacks some of the metrics"
    for metric, reading in trial.metrics.items():
        most = _LARGEST[metric.definition.unit]
        if limit_bytes is not None and metric in BOUNDED_BY_LIMIT:
            most = round(limit_bytes * _SLACK)
        values = (reading.value or 0, reading.at_most or 0, reading.at_least or 0, *(reading.interval or ()))
        if reading.unit is not metric.definition.unit or any(not -most <= value <= most for value in values):
            yield f"has a {metric} out of range"
        if reading.value is not None and reading.value < 0 and reading.interval is None:
            yield f"has a negative {metric}"
    columns = [trial.series.column(one.name) for one in fields(trial.series)]
    if not trial.series.is_whole or any(value < 0 for column in columns for value in column):
        yield "has a series that is none"
    if any(later < earlier for earlier, later in pairwise(trial.series.time_us)):
        yield "has a series whose times go back"
    if not 0 <= trial.duration_ms <= _LARGEST[Unit.MILLISECONDS]:
        yield "has a duration out of range"


_LARGEST_DURATIONS_BYTES = 2_000_000
_DURATIONS = TypeAdapter(
    Annotated[dict[ImageName, Annotated[int, Field(ge=0, le=7 * 24 * 3_600_000)]], Field(max_length=MOST_IMAGES)]
)


class Took(StrEnum):
    """What took time."""

    CHECK = "durations"
    FIT = "fit-durations"


def read_durations(folder: Path, what: Took = Took.CHECK) -> dict[str, int]:
    """Return the durations in milliseconds by image, or none if the file is unusable."""
    try:
        return _DURATIONS.validate_json(read_plain(_path(folder, what), _LARGEST_DURATIONS_BYTES), strict=True)
    except (OSError, ValidationError, RecursionError, ValueError):
        return {}


def remember_durations(folder: Path, durations_ms: Mapping[str, int], what: Took = Took.CHECK) -> None:
    """Store durations beside those of other images.

    If the folder is not writable, only the balance of shards suffers.
    """
    together = {**read_durations(folder, what), **durations_ms}
    newest = dict(list(together.items())[-MOST_IMAGES:])
    with contextlib.suppress(OSError):
        write_whole(_path(folder, what), _DURATIONS.dump_json(newest))


def _path(folder: Path, what: Took) -> Path:
    return folder / f"{what}.json"
