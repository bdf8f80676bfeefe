"""`report.json` on disk. Written by whoever measured; read as something a stranger may have written."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, SchemaValidator, core_schema, to_jsonable_python

from membudget.analysis.coverage import Coverage
from membudget.analysis.downsample import downsample
from membudget.analysis.measurement import ImageMeasurement, SideMeasurement
from membudget.budgets.fields import ImageName
from membudget.errors import ConfigurationError
from membudget.metrics import DEFINITIONS, Metric
from membudget.plain_file import read_plain
from membudget.publishing.json_shape import oversized
from membudget.publishing.text_file import write_text
from membudget.report.report import LARGEST_FOREIGN_REPORT_BYTES, LARGEST_REPORT_BYTES, Report
from membudget.report.untrusted_text import printable
from membudget.sharding import MOST_SHARDS
from membudget.trials.trial import PhaseName

_NAMES = TypeAdapter(list[ImageName])
_MOST_DIGITS = 19
"""As many as 64 bits hold, beside a sign."""
_LARGEST_FRACTION = 1e9
_FEWER_POINTS = (500, 100, 20)
"""Of a series, where all that were sampled would make a report that no other workflow run may read."""


def write_report(report: Report, path: Path) -> None:
    """Write the whole file or none of it, with fewer samples where it would be too large. Raises EnvironmentFault."""
    text = _text(report)
    for most_points in _FEWER_POINTS:
        if len(text) <= LARGEST_FOREIGN_REPORT_BYTES and oversized(text.encode()) is None:
            break
        text = _text(report.model_copy(update={"images": tuple(_thinned(one, most_points) for one in report.images)}))
    write_text(text, path, "the report")


def _thinned(image: ImageMeasurement, most_points: int) -> ImageMeasurement:
    """With shorter series. Of a soak they stay as they are: whether memory leaks is judged by them."""

    def thinner(side: SideMeasurement) -> SideMeasurement:
        trials = (
            one
            if any(phase.name == PhaseName.SOAK for phase in one.phases)
            else replace(one, series=downsample(one.series, most_points))
            for one in side.trials
        )
        return replace(side, trials=tuple(trials))

    return replace(
        image,
        base=thinner(image.base) if image.base is not None else None,
        head=thinner(image.head) if image.head is not None else None,
        own=replace(image.own, side=thinner(image.own.side)) if image.own is not None else None,
    )


def _text(report: Report) -> str:
    try:
        return report.model_dump_json(indent=1)
    except PydanticSerializationError:  # half of a character, as in names of files that are no UTF-8
        return json.dumps(_whole_characters(report.model_dump()), indent=1, default=to_jsonable_python)


def _whole_characters(value: object) -> object:
    """`value` with a replacement for each half of a character in its texts: JSON has none, and no reader takes one."""
    match value:
        case str():
            return value.encode(errors="surrogatepass").decode(errors="replace")
        case dict():
            return {_whole_characters(key): _whole_characters(below) for key, below in value.items()}
        case list() | tuple():
            return [_whole_characters(below) for below in value]
        case _:
            return value


def read_report(path: Path) -> Report:
    """The report in a file. Raises ConfigurationError for anything that is not exactly one, without quoting it."""
    try:
        data = read_plain(path, LARGEST_REPORT_BYTES)
    except OSError as error:
        raise ConfigurationError(f"the report cannot be read: {error.strerror}", where=str(path)) from None
    if len(data) > LARGEST_REPORT_BYTES:
        raise ConfigurationError(f"the report has more than {LARGEST_REPORT_BYTES} bytes", where=str(path))
    return parse_report(data, str(path))


def parse_report(data: bytes, where: str) -> Report:
    """The report that `data` is. Raises ConfigurationError for anything that is not exactly one, without quoting it."""
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
    problems = [*_impossible_numbers(data), *_inconsistencies(report)]
    if problems:
        raise _no_report(where, problems[0])
    return report


def read_reports(paths: Sequence[Path]) -> dict[str, Report]:
    """The reports in files, and in all `*.json` below folders, by the files' names. Raises ConfigurationError."""
    files = [
        file for path in paths for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])
    ]  # one artifact, one folder: that is how they are downloaded
    return {str(file): read_report(file) for file in files}


def parse_foreign_report(data: bytes, where: str) -> Report:
    """As `parse_report`, of a stranger's text, which may be made to take more memory than there is."""
    problem = oversized(data)
    if problem is not None:
        raise _no_report(where, problem)
    return parse_report(data, where)


def _no_report(where: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"is no report of this version of membudget: {problem}",
        where=where,
        fix="check and publish with the same version of membudget",
    )


class _Missing(Exception):
    """A key that has to be there and is not."""


@cache
def _first_fault_alone() -> SchemaValidator:
    """The report's model, but of each list and mapping only the first fault is told: there may be a million.

    A missing key ends the reading: pydantic would copy all that lies beside it, once for each that is missing.
    """
    schema = _failing_fast(Report.__pydantic_core_schema__)
    own: Any = {"_use_prebuilt": False}  # or the models inside validate by their own descriptions (pydantic-core 2.30)
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


def _impossible_numbers(data: bytes) -> Iterator[str]:
    """Numbers that nothing measured has, and that arithmetic would choke on."""
    found = set()

    def whole(digits: str) -> int:
        if len(digits.removeprefix("-")) > _MOST_DIGITS:
            found.add("a whole number is out of range")
        return 0

    def fraction(text: str) -> float:
        if not abs(float(text)) <= _LARGEST_FRACTION:
            found.add("a fraction is out of range")
        return 0.0

    json.loads(data, parse_int=whole, parse_float=fraction, parse_constant=fraction)
    yield from sorted(found)


def _inconsistencies(report: Report) -> Iterator[str]:
    """What check never writes: names that are none, figures that are simply left out."""
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
    if any(set(side.metrics) != set(Metric) for side in sides):
        yield "an image lacks some of the metrics"
    series = [trial.series for side in sides for trial in side.trials]
    if any(len({len(getattr(one, column.name)) for column in fields(one)}) > 1 for one in series):
        yield "the columns of a series differ in length"
    values = [(metric, value.value or 0) for side in sides for metric, value in side.metrics.items()]
    if any(value < 0 and not DEFINITIONS[metric].may_be_negative for metric, value in values):
        yield "a metric is negative"


def _impossible_coverage(coverage: Coverage, measured: Sequence[str]) -> Iterator[str]:
    """Lists of names and parts that no check and no merge comes to."""
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
