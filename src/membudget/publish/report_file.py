"""Reads and writes `report.json`. When reading, a stranger may have written the file.

When writing, details that are only shown are left out if the report would be too large. Figures stay, so the judgement
does not change.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from json import dumps
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from membudget.budgets.fields import ImageName
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.files import write_text
from membudget.core.metrics import Metric, MetricValue
from membudget.core.untrusted_text import whole_characters
from membudget.judge.measurement import SideMeasurement
from membudget.measure.profiling.heap_profile import ProfiledSide
from membudget.measure.trial import PhaseName, Trial
from membudget.publish.json_bounds import oversized
from membudget.publish.report_size import Sizes
from membudget.publish.strict_json import ReportReading, impossible_parts, parse_model, read_bounded, report_files
from membudget.report.report import LARGEST_REPORT_BYTES, Report, restated
from membudget.report.timeline import downsample

_NAMES = TypeAdapter(list[ImageName])
_UNKNOWN_THEN = "the version of membudget that measured does not know it"
_LEFT_OUT = "left out of this report, which would have been too large"
_NOTE = "the report would have been too large: processes, logs, heap profiles and contents of images are left out"


def write_report(report: Report, path: Path) -> None:
    """Write the whole file or nothing. Details are left out if it would be too large. Raises EnvironmentFault."""
    found = fitting(report, LARGEST_REPORT_BYTES)
    if found is None:
        count = f"{len(report.images)} image{'s' if len(report.images) != 1 else ''}"
        raise EnvironmentFault(
            f"the report of {count} is too large to be written",
            where=str(path),
            fix="check fewer images in one run, or with fewer trials",
        )
    write_text(found[1], path, "the report")


def fitting(report: Report, most_bytes: int, parts: int = 1) -> tuple[Report, bytes] | None:
    """Return the report and its UTF-8 text, with as few details left out as possible. None if it is still too large.

    `parts`: how many such reports one file has to hold.
    """
    sizes = Sizes()
    for smaller, is_brief in _ever_smaller(report):
        if sizes.exceed(smaller, most_bytes):
            continue
        text = json_text(smaller, is_brief=is_brief)
        if len(text) <= most_bytes and oversized(text, parts=parts) is None:
            return smaller, text
    return None


def _ever_smaller(report: Report) -> Iterator[tuple[Report, bool]]:
    """Yield smaller and smaller reports, and whether to omit line breaks and default values from their text."""
    yield report, False
    yield report, True
    for profiles in (_with_stacks(100), _with_stacks(20)):
        report = _each_profile(report, profiles)
        yield report, True
    for trials in (_thinner(500), _thinner(100), _thinner(20)):
        report = _each_trial(report, trials)
        yield report, True
    report = _each_trial(_without_contents(_each_profile(report, _without_profile)), _without_details)
    yield report, True
    yield _each_trial(report, _thinner(4)), True


def _thinner(most_points: int) -> Callable[[Trial], Trial]:
    """Return a function that shortens series. Those of a soak are kept, because they show whether memory leaks."""

    def thinned(trial: Trial) -> Trial:
        is_soak = any(phase.name == PhaseName.SOAK for phase in trial.phases)
        return trial if is_soak else replace(trial, series=downsample(trial.series, most_points))

    return thinned


def _without_details(trial: Trial) -> Trial:
    reason = _LEFT_OUT if trial.snapshot is not None else trial.snapshot_reason
    known = {metric: value for metric, value in trial.metrics.items() if value.value is not None}
    return replace(trial, snapshot=None, snapshot_reason=reason, log_tail=(), metrics=known)


def _without_contents(report: Report) -> Report:
    images = (
        replace(image.with_each_side(partial(replace, contents=None)), contents_diff=None) for image in report.images
    )
    return report.model_copy(update={"images": tuple(images), "notes": (*report.notes, _NOTE)})


def _each_profile(report: Report, of: Callable[[ProfiledSide], ProfiledSide]) -> Report:
    images = (
        replace(image, profile=image.profile.with_each_side(of)) if image.profile is not None else image
        for image in report.images
    )
    return report.model_copy(update={"images": tuple(images)})


def _with_stacks(most: int) -> Callable[[ProfiledSide], ProfiledSide]:
    """Return a function that leaves out what only the page shows of a profile. The places that hold most stay."""

    def cut(side: ProfiledSide) -> ProfiledSide:
        return replace(side, profile=side.profile.largest(most)) if side.profile is not None else side

    return cut


def _without_profile(side: ProfiledSide) -> ProfiledSide:
    return replace(side, profile=None, reason=_LEFT_OUT) if side.profile is not None else side


def _each_trial(report: Report, of: Callable[[Trial], Trial]) -> Report:
    def side(one: SideMeasurement) -> SideMeasurement:
        return replace(one, trials=tuple(map(of, one.trials)))

    return report.model_copy(update={"images": tuple(image.with_each_side(side) for image in report.images)})


def json_text(report: BaseModel, *, is_brief: bool) -> bytes:
    """Return a report as UTF-8 text. `is_brief`: without line breaks and default values."""
    indent = None if is_brief else 1
    try:
        return report.__pydantic_serializer__.to_json(report, indent=indent, exclude_defaults=is_brief)
    except PydanticSerializationError:  # half of a surrogate pair, as in file names that are not UTF-8
        made = _of_whole_characters(report.model_dump(exclude_defaults=is_brief))
        return dumps(made, indent=indent, default=to_jsonable_python).encode()


def _of_whole_characters(value: object) -> object:
    """Return `value` with each half of a surrogate pair in its texts replaced."""
    match value:
        case str():
            return whole_characters(value)
        case dict():
            return {_of_whole_characters(key): _of_whole_characters(below) for key, below in value.items()}
        case list() | tuple():
            return [_of_whole_characters(below) for below in value]
        case _:
            return value


def read_report(path: Path) -> Report:
    """Read the report from a file.

    Raises ConfigurationError, without quoting the file, if it is not exactly a report.
    """
    return parse_report(read_bounded(path, READING), str(path))


def read_reports(paths: Sequence[Path]) -> dict[str, Report]:
    """Read the reports in files and in all `*.json` below folders.

    Returns them by file name. Raises ConfigurationError.

    If they are larger together than one report may be, details of each are left out as soon as it is read.
    """
    files = report_files(paths, "check")
    share = min(1.0, LARGEST_REPORT_BYTES / max(1, sum(map(_size, files))))
    return {str(file): _shortened(file, share) for file in files}


def _shortened(path: Path, share: float) -> Report:
    """Read a report, shortened to this share of its bytes. Raises ConfigurationError if that is not possible."""
    report = read_report(path)
    if share == 1:
        return report
    fits = fitting(report, int(share * _size(path)))
    if fits is None:
        raise ConfigurationError("together with the other reports, it is too large to be merged", where=str(path))
    return fits[0]


def _size(path: Path) -> int:
    """Return the size of a file in bytes, or 0 if it cannot be read. Reading it later reports the error."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def parse_report(data: bytes, where: str) -> Report:
    """Parse a report. Raises ConfigurationError, without quoting it, if `data` is not exactly a report.

    Text that would take more memory than any report is refused before it is parsed.
    """
    report = restated(parse_model(data, where, READING))
    for image in report.images:
        for side in image.sides:
            _complete(side.metrics)
    return report


def _complete(metrics: dict[Metric, MetricValue]) -> None:
    """Mark metrics that the report lacks as not measured, because an older membudget did not know them.

    A budget on such a metric is inconclusive, so leaving figures out gains nothing.
    """
    for metric in Metric:
        if metric not in metrics:
            metrics[metric] = MetricValue.absent(metric, _UNKNOWN_THEN)


def _inconsistencies(report: Report) -> Iterator[str]:
    """Yield what `check` never writes: invalid names, and figures that are simply left out."""
    names = [image.name for image in report.images]
    try:
        _NAMES.validate_python(names)
    except ValidationError:
        yield "an image has a name that budgets.toml does not allow"
    if len(set(names)) < len(names):
        yield "two images have the same name"
    yield from impossible_parts(report.shard, report.coverage, names)
    tolerances = [budget.tolerance for image in report.images for budget in image.budgets.values()]
    if any(one is not None and min(one.percent, one.floor) < 0 for one in tolerances):
        yield "a tolerance is negative"
    sides = [side for image in report.images for side in image.sides]
    if not all(trial.series.is_whole for side in sides for trial in side.trials):
        yield "the columns of a series differ in length"
    values = [(metric, value.value or 0) for side in sides for metric, value in side.metrics.items()]
    if any(value < 0 and not metric.definition.may_be_negative for metric, value in values):
        yield "a metric is negative"


READING = ReportReading(Report, _inconsistencies, LARGEST_REPORT_BYTES, "report", "check", "check and publish")
"""How the reports of checks are read."""
