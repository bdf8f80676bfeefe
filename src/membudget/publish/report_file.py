"""Reads and writes `report.json`. When reading, a stranger may have written the file."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, core_schema

from membudget.budgets.fields import ImageName
from membudget.core.errors import ConfigurationError, EnvironmentFault
from membudget.core.files import read_plain, write_text
from membudget.core.metrics import Metric, MetricValue
from membudget.core.sharding import MOST_SHARDS
from membudget.core.untrusted_text import printable
from membudget.judge.whole import Coverage
from membudget.publish.json_bounds import impossible_numbers, oversized
from membudget.publish.report_size import fitting
from membudget.report.report import LARGEST_REPORT_BYTES, Report, restated

_NAMES = TypeAdapter(list[ImageName])
_UNKNOWN_THEN = "the version of membudget that measured does not know it"


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


def read_report(path: Path) -> Report:
    """Read the report from a file.

    Raises ConfigurationError, without quoting the file, if it is not exactly a report.
    """
    try:
        data = read_plain(path, LARGEST_REPORT_BYTES)
    except OSError as error:
        raise ConfigurationError(f"the report cannot be read: {error.strerror}", where=str(path)) from None
    return parse_report(data, str(path))


def read_reports(paths: Sequence[Path]) -> dict[str, Report]:
    """Read the reports in files and in all `*.json` below folders.

    Returns them by file name. Raises ConfigurationError.

    If they are larger together than one report may be, details of each are left out as soon as it is read.
    """
    files = [
        file for path in paths for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])
    ]  # artifacts are downloaded into one folder each
    if len(files) > MOST_SHARDS:
        raise ConfigurationError(f"these are {len(files)} reports, more than the {MOST_SHARDS} that a check has")
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
    if len(data) > LARGEST_REPORT_BYTES:
        raise _no_report(where, f"has more than {LARGEST_REPORT_BYTES:,} bytes")
    problem = oversized(data) or next(impossible_numbers(data), None)
    if problem is not None:
        raise _no_report(where, problem)
    try:
        report = cast("Report", _first_fault_alone().validate_json(data, strict=True))
    except _Missing as missing:
        raise _no_report(where, f"1 problem, the first at {missing}: missing") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or step.isidentifier())
        count = f"{error.error_count()} problem{'s' if error.error_count() != 1 else ''}"
        problem = f"{count}, the first at {printable(location, 100) or 'its top'}: {first['type']}"
        raise _no_report(where, problem) from None
    problem = next(_inconsistencies(report), None)
    if problem is not None:
        raise _no_report(where, problem)
    for image in report.images:
        for side in image.sides:
            _complete(side.metrics)
    return restated(report)


def _complete(metrics: dict[Metric, MetricValue]) -> None:
    """Mark metrics that the report lacks as not measured, because an older membudget did not know them.

    A budget on such a metric is inconclusive, so leaving figures out gains nothing.
    """
    for metric in Metric:
        if metric not in metrics:
            metrics[metric] = MetricValue.absent(metric, _UNKNOWN_THEN)


def _no_report(where: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"is no report of this version of membudget: {problem}",
        where=where,
        fix="check and publish with the same version of membudget",
    )


class _Missing(Exception):
    """Raised when a required key is missing."""


@cache
def _first_fault_alone() -> SchemaValidator:
    """Return the validator of a report.

    It reports only the first fault of each list and mapping, because there may be a million.

    A missing key ends the validation. Otherwise, pydantic would copy everything beside it once for each missing key.
    """
    schema = _failing_fast(Report.__pydantic_core_schema__)
    # Without this, the models inside validate with their own validators (pydantic-core 2.30).
    own: Any = {"_use_prebuilt": False}
    try:
        return SchemaValidator(schema, **own)
    except TypeError:
        return SchemaValidator(schema)


def _failing_fast(schema: Any) -> Any:  # noqa: ANN401 - pydantic's own description of a model
    if isinstance(schema, list | tuple):
        return type(schema)(map(_failing_fast, schema))
    if not isinstance(schema, dict):
        return schema
    copied = {key: _failing_fast(value) for key, value in schema.items()}
    if schema.get("type") == "model-fields":
        copied["fields"] = {name: _required(name, field) for name, field in copied["fields"].items()}
    if schema.get("type") == "dataclass-args":
        copied["fields"] = [_required(field["name"], field) for field in copied["fields"]]
    return {**copied, "fail_fast": True} if schema.get("type") in ("list", "tuple", "dict") else copied


def _required(name: str, field: Any) -> Any:  # noqa: ANN401 - a part of pydantic's description
    if field["schema"]["type"] == "default":
        return field

    def missing() -> NoReturn:
        raise _Missing(name)

    return {**field, "schema": core_schema.with_default_schema(field["schema"], default_factory=missing)}


def _inconsistencies(report: Report) -> Iterator[str]:
    """Yield what `check` never writes: invalid names, and figures that are simply left out."""
    names = [image.name for image in report.images]
    try:
        _NAMES.validate_python(names)
    except ValidationError:
        yield "an image has a name that budgets.toml does not allow"
    if len(set(names)) < len(names):
        yield "two images have the same name"
    yield from _impossible_coverage(report.coverage, names)
    if report.shard is not None and not 1 <= report.shard.number <= report.shard.of <= MOST_SHARDS:
        yield "its shard is none"
    sides = [side for image in report.images for side in image.sides]
    if not all(trial.series.is_whole for side in sides for trial in side.trials):
        yield "the columns of a series differ in length"
    values = [(metric, value.value or 0) for side in sides for metric, value in side.metrics.items()]
    if any(value < 0 and not metric.definition.may_be_negative for metric, value in values):
        yield "a metric is negative"


def _impossible_coverage(coverage: Coverage, measured: Sequence[str]) -> Iterator[str]:
    """Yield lists of names and shards that no check and no merge can produce."""
    planned, known = set(coverage.planned), set(coverage.known)
    if not planned <= known:
        yield "it was to check images that there are not"
    if not set(measured) <= planned:
        yield "it has images that it was not to check"
    if not set(coverage.checked_twice) <= planned:
        yield "images were checked twice that it was not to check"
    if any(not 1 <= number <= MOST_SHARDS for number in coverage.missing_shards):
        yield "a missing shard is none"
    for each in (coverage.planned, coverage.known, coverage.missing_shards, coverage.checked_twice):
        if len(set(each)) < len(each):
            yield "an image or a shard is named twice"


REPORT_NAME = "report.json"
LARGEST_ARCHIVE_BYTES = LARGEST_REPORT_BYTES
"""An archive larger than the largest report cannot contain a valid one."""
_MOST_ENTRIES = 20
_LARGEST_DIRECTORY_BYTES = 20_000
_LONGEST_COMMENT_BYTES = 65_535
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_ZIP64_LOCATOR_SIGNATURE = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_ENCRYPTED = 0x1


def report_in(archive: BinaryIO, where: str) -> bytes:
    """Return the text of the one `report.json` at the top of `archive`.

    Raises ConfigurationError for any irregularity.
    """
    try:
        _look_before_reading(archive)
        with zipfile.ZipFile(archive) as opened:
            return _read(opened)
    except _Odd as odd:
        problem = str(odd)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError):
        problem = "is no zip file that can be read"
    raise ConfigurationError(f"the artifact {problem}", where=where)


class _Odd(Exception):
    """Raised for an artifact that membudget would never write."""


def _look_before_reading(archive: BinaryIO) -> None:
    """Refuse an archive whose directory is too large to read."""
    size = archive.seek(0, 2)
    archive.seek(max(0, size - _LONGEST_COMMENT_BYTES - _END.size - _ZIP64_LOCATOR_BYTES))
    tail = archive.read()
    archive.seek(0)
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at != _END.size:
        # A comment may contain another end record, and readers disagree which one counts.
        raise _Odd("is no zip file, or one with a comment")
    if tail[max(0, at - _ZIP64_LOCATOR_BYTES) : at].startswith(_ZIP64_LOCATOR_SIGNATURE):
        raise _Odd("is a zip file for what is larger than a report")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack(tail[at:])
    if entries > _MOST_ENTRIES or directory_bytes > _LARGEST_DIRECTORY_BYTES:
        raise _Odd(f"has more than {_MOST_ENTRIES} files, or names that are too long")


def _read(archive: zipfile.ZipFile) -> bytes:
    entries = archive.infolist()
    found = [entry for entry in entries if entry.filename == REPORT_NAME]
    if len(entries) > _MOST_ENTRIES or len(found) != 1:
        raise _Odd(f"does not have one {REPORT_NAME} at its top")
    (entry,) = found
    mode = entry.external_attr >> 16
    if entry.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        raise _Odd(f"has a {REPORT_NAME} that is no file")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Odd("is packed in a way that artifacts are not")
    with archive.open(entry) as file:
        data = file.read(LARGEST_REPORT_BYTES + 1)  # whatever size the entry claims
    if len(data) > LARGEST_REPORT_BYTES:
        raise _Odd(f"has a {REPORT_NAME} of more than {LARGEST_REPORT_BYTES} bytes")
    return data
