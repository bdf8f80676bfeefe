"""Remembers the trials of earlier runs, a file a key. Read as something a stranger may have written."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import ImageName
from membudget.core.definition import Unit
from membudget.core.files import read_plain, write_whole
from membudget.core.metrics import BOUNDED_BY_LIMIT, TRIAL_METRICS, Metric
from membudget.measure.trial import Outcome, Trial, TrialSpec
from membudget.version import VERSION

MEASURING_VERSION = 1
"""Of how trials are run and read: raise it whenever a figure of the same container could come out differently."""


@dataclass(frozen=True, slots=True)
class MachineClass:
    """What of a machine makes its figures comparable with those of another one."""

    engine: str
    platform: str
    kernel: str
    cgroup: str
    """Version and driver."""
    storage_driver: str
    cpus: int
    cpu_model: str
    memory_gib: int
    probe: str
    rate_hz: int
    jobs: int


def result_key(spec: TrialSpec, machine: MachineClass, files: tuple[str, ...] | None) -> str | None:
    """The key of `spec` on such a machine; None where its result depends on what no key can hold.

    `files` names the content of what the workload is given of the repository; None: that is not known. Pods, open
    networks and load from other images depend on what may change without a trace here.
    """
    inputs = spec.inputs
    workload = spec.workload
    from_outside = inputs.pod is not None or inputs.is_network_open or spec.pod_images or workload.images
    if spec.identity is None or files is None or from_outside:
        return None
    parts = [
        MEASURING_VERSION,
        [getattr(machine, name) for name in MachineClass.__slots__],
        spec.identity,
        spec.limit_bytes,
        spec.timeout_ms,
        spec.settle_ms,
        workload.model_dump(mode="json"),
        sorted(spec.unjudged_phases),
        sorted(inputs.environment.items()),
        sorted(inputs.tmpfs.items()),
        sorted((path, os.path.relpath(folder, inputs.checkout or ".")) for path, folder in inputs.volumes.items()),
        [inputs.read_only, inputs.user, inputs.cpus],
        files,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


_LARGEST_FILE_BYTES = 20_000_000
_MOST_BYTES = 200_000_000
_MOST_TRIALS = 200
_SLACK = 1.05
"""A mark may exceed its limit by what is charged in batches."""
_LARGEST = {Unit.BYTES: 1 << 50, Unit.MILLISECONDS: 48 * 3_600_000, Unit.COUNT: 1_000_000}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    measuring_version: int = MEASURING_VERSION
    membudget_version: str = VERSION
    key: str
    limit_bytes: int | None
    trials: Annotated[tuple[Trial, ...], Field(min_length=1, max_length=_MOST_TRIALS)]


class ResultCache:
    """A folder with one file a key. What cannot be read or believed is as if it were not there, and said once."""

    def __init__(self, folder: Path, warn: Callable[[str], None], *, is_trusted: bool = True) -> None:
        """`is_trusted`: whether only people with write access to the repository can write to the folder."""
        self.is_trusted = is_trusted
        self._folder = folder / "results"
        self._warn = warn
        self._told: set[str] = set()
        """Problems that were told: a folder that cannot be used is one note, not one for each image."""

    def get(self, key: str) -> tuple[Trial, ...]:
        """The trials that were kept under `key`; none where there are none."""
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
            os.utime(path)  # what is used is kept longest
        return trials

    def put(self, key: str, limit_bytes: int | None, trials: Sequence[Trial]) -> None:
        """Keep what passed. A cache that cannot be written costs time, not the check."""
        if not trials or any(_problem_of(trial, limit_bytes) for trial in trials):
            return
        if any(trial.metrics[Metric.OOM_KILLS].value is None for trial in trials):
            return  # another trial may tell
        text = _File(key=key, limit_bytes=limit_bytes, trials=tuple(trials)).model_dump_json()
        try:
            write_whole(self._path(key), text.encode())
        except OSError as error:
            self._unusable(error)

    def prune(self, most_bytes: int = _MOST_BYTES) -> None:
        """Remove what was not used for longest, until the rest is small enough."""
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
    """What is wrong with a file, and its trials when nothing is."""
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
    """Why nothing that was measured, and passed, looks like this; None when it may."""
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
        values = (reading.value or 0, reading.at_most or 0, *(reading.interval or ()))
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


def read_durations(folder: Path) -> dict[str, int]:
    """Milliseconds by image; empty where nothing usable is there."""
    try:
        return _DURATIONS.validate_json(read_plain(_path(folder), _LARGEST_DURATIONS_BYTES), strict=True)
    except (OSError, ValidationError, RecursionError, ValueError):
        return {}


def remember_durations(folder: Path, durations_ms: Mapping[str, int]) -> None:
    """Keep them, beside those of other images. A folder that cannot be written costs balance, not the check."""
    together = {**read_durations(folder), **durations_ms}
    newest = dict(list(together.items())[-MOST_IMAGES:])
    with contextlib.suppress(OSError):
        write_whole(_path(folder), _DURATIONS.dump_json(newest))


def _path(folder: Path) -> Path:
    return folder / "durations.json"
