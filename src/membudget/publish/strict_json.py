"""Reads JSON files that a stranger may have written: bounded, strict, and never quoted in messages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import SchemaValidator, core_schema

from membudget.core.errors import ConfigurationError
from membudget.core.files import read_plain, refuse_links
from membudget.core.sharding import MOST_SHARDS, Shard
from membudget.core.untrusted_text import printable
from membudget.judge.whole import Coverage
from membudget.publish.json_bounds import impossible_numbers, oversized

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ReportReading(Generic[ModelT]):
    """How the reports of a command are read."""

    model: type[ModelT]
    inconsistencies: Callable[[ModelT], Iterator[str]]
    """Yields what the command never writes."""
    most_bytes: int
    kind: str
    """What it is in messages: "report"."""
    command: str
    """The command that writes it: "check"."""
    same_version: str
    """What has to be done with one version of membudget: "check and publish"."""


def read_bounded(path: Path, how: ReportReading[ModelT]) -> bytes:
    """Return the bytes of a file. No link of the working tree is followed. Raises ConfigurationError."""
    try:
        refuse_links(path)
        return read_plain(path, how.most_bytes)
    except FileNotFoundError:
        fix = f"run `membudget {how.command}` first, or name the report that it wrote"
        raise ConfigurationError("there is no report", where=str(path), fix=fix) from None
    except OSError as error:
        raise ConfigurationError(f"the report cannot be read: {error.strerror}", where=str(path)) from None


def report_files(paths: Sequence[Path], run: str) -> list[Path]:
    """Return the files among `paths` and all `*.json` below the folders, because each artifact has its own folder.

    `run` is "check" or "fit". Raises ConfigurationError if there are more than a run has parts.
    """
    files = [file for path in paths for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]
    if len(files) > MOST_SHARDS:
        raise ConfigurationError(f"these are {len(files)} reports, more than the {MOST_SHARDS} that a {run} has")
    return files


def parse_model(data: bytes, where: str, how: ReportReading[ModelT]) -> ModelT:
    """Parse a report. Raises ConfigurationError, without quoting it, if `data` is not exactly one.

    Text that would take more memory than any report is refused before it is parsed.
    """
    if len(data) > how.most_bytes:
        raise _no_report(where, f"has more than {how.most_bytes:,} bytes", how)
    problem = oversized(data) or next(impossible_numbers(data), None)
    if problem is not None:
        raise _no_report(where, problem, how)
    try:
        report = cast("ModelT", _first_fault_alone(how.model).validate_json(data, strict=True))
    except _Missing as missing:
        raise _no_report(where, f"1 problem, the first at {missing}: missing", how) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or step.isidentifier())
        count = f"{error.error_count()} problem{'s' if error.error_count() != 1 else ''}"
        problem = f"{count}, the first at {printable(location, 100) or 'its top'}: {first['type']}"
        raise _no_report(where, problem, how) from None
    problem = next(how.inconsistencies(report), None)
    if problem is not None:
        raise _no_report(where, problem, how)
    return report


def impossible_parts(shard: Shard | None, coverage: Coverage, measured: Sequence[str]) -> Iterator[str]:
    """Yield shards and lists of names that no run and no merge can produce."""
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
    if shard is not None and not 1 <= shard.number <= shard.of <= MOST_SHARDS:
        yield "its shard is none"


def _no_report(where: str, problem: str, how: ReportReading[ModelT]) -> ConfigurationError:
    return ConfigurationError(
        f"is no {how.kind} of this version of membudget: {problem}",
        where=where,
        fix=f"{how.same_version} with the same version of membudget",
    )


class _Missing(Exception):
    """Raised when a required key is missing."""


@cache
def _first_fault_alone(model: type[BaseModel]) -> SchemaValidator:
    """Return the validator of a model.

    It reports only the first fault of each list and mapping, because there may be a million.

    A missing key ends the validation. Otherwise, pydantic would copy everything beside it once for each missing key.
    """
    schema = _failing_fast(model.__pydantic_core_schema__)
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
