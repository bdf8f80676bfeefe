"""Field types of `budgets.toml`: sizes, durations, percentages, names and paths as people write them."""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from membudget.core import quantities
from membudget.core.closed_model import ClosedModel

LONGEST_TEXT = 4096
LARGEST_SIZE_BYTES, LARGEST_SIZE = 1 << 50, "1024TiB"
LONGEST_DURATION_MS, LONGEST_DURATION = 24 * 3_600_000, "24h"
LARGEST_RATE = 1_000_000_000
"""Larger values are typing errors, and the engine and timers would not cope with them."""


def not_allowed(hint: str) -> PydanticCustomError:
    """Return the error for a value that does not match the description `hint`."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": hint})


@dataclass(frozen=True, slots=True)
class _Text:
    """Text that must match a pattern as a whole. `hint` describes the pattern in words."""

    pattern: str
    hint: str
    longest: int = LONGEST_TEXT

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        limit = {"maxLength": self.longest} if self.longest != LONGEST_TEXT else {}
        return {"type": "string", "pattern": self.pattern, **limit}

    def _check(self, text: str) -> str:
        if len(text) > self.longest:
            raise not_allowed(f"{self.longest} characters or fewer")
        if not re.fullmatch(self.pattern, text, re.ASCII):
            raise not_allowed(self.hint)
        return text


def _size(value: object) -> int:
    try:
        size = quantities.parse_size(value) if isinstance(value, str) else None
    except ValueError:
        size = None
    if size is None or size > LARGEST_SIZE_BYTES:
        raise not_allowed(_size_hint(value) if size is None else f"{LARGEST_SIZE} or less")
    return size


def _size_hint(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_SIZE_BYTES:
        value = str(value)
    return quantities.size_hint(value) if isinstance(value, str) else quantities.SIZE_HINT


def _duration(value: object) -> int:
    try:
        duration = quantities.parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        duration = None
    if duration is None or duration > LONGEST_DURATION_MS:
        raise not_allowed(quantities.DURATION_HINT if duration is None else f"{LONGEST_DURATION} or less")
    return duration


def _latency(value: object) -> int:
    try:
        latency = quantities.parse_latency(value) if isinstance(value, str) else None
    except ValueError:
        latency = None
    if latency is None or latency > 1000 * LONGEST_DURATION_MS:
        raise not_allowed(quantities.LATENCY_HINT if latency is None else f"{LONGEST_DURATION} or less")
    return latency


def _rate(value: object) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if 0 <= value <= LARGEST_RATE:
                return quantities.parse_rate(value)
        except ValueError:
            pass
    raise not_allowed(quantities.RATE_HINT)


def _percent(value: object) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return quantities.parse_percent(value)
        except (ValueError, OverflowError):
            pass
    raise not_allowed(quantities.PERCENT_HINT)


SizeBytes = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "pattern": quantities.SIZE_PATTERN, "examples": ["256MiB", "128Mi"]}),
]
"""A size in bytes, written such as "256MiB"."""

DurationMs = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": quantities.DURATION_PATTERN, "examples": ["30s"]}),
]
"""A duration in milliseconds, written such as "30s"."""

LatencyUs = Annotated[
    int,
    BeforeValidator(_latency),
    WithJsonSchema({"type": "string", "pattern": quantities.LATENCY_PATTERN, "examples": ["25ms", "850us"]}),
]
"""A latency in microseconds, written such as "2.5ms"."""

Rate = Annotated[
    int,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": LARGEST_RATE, "examples": [1500]}),
]
"""A rate in thousandths of a request a second, written in requests a second, such as 1500."""

Percent = Annotated[
    float,
    BeforeValidator(_percent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1000},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%?\s*$"},
            ]
        }
    ),
]
"""A percentage as a float, written such as 5 or "5%"."""

Since = Annotated[
    str,
    _Text(
        r"^(?![wW]{3}\.)[A-Za-z0-9_][A-Za-z0-9_./-]*$", '"last-tag", days like "90d", or a branch, tag or commit', 200
    ),
]
"""Where a growth starts. Reports show it, so it has nothing that Markdown or a terminal reads as more than text. That
leaves out "HEAD~3".
"""
ImageName = Annotated[
    str, _Text(r"^[a-z0-9]+([_.-][a-z0-9]+)*$", "lower-case letters, digits, and single . _ - between them", 63)
]
"""A name as in an image reference (OCI distribution spec). It becomes part of a tag and a step output."""

HttpPath = Annotated[str, _Text(r"^/\S*$", 'a path that starts with a slash, without spaces: "/search?q=x"')]

HeaderName = Annotated[str, _Text(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", 'the name of a header field, like "Content-Type"')]
"""A token (RFC 9110, 5.1)."""

HeaderValue = Annotated[str, _Text(r"^[^\x00-\x08\x0a-\x1f\x7f]*$", "one line of text, without control characters")]
"""A field value (RFC 9110, 5.5)."""

Platform = Annotated[
    str, _Text(r"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$", 'an operating system and an architecture: "linux/amd64"')
]

VariableName = Annotated[
    str, _Text(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of an environment variable: letters, digits and _")
]
"""A name (POSIX, 8.1)."""

AbsolutePath = Annotated[str, _Text(r"^/[^\x00-\x1f:,]*[^\x00-\x1f:,/]$", 'a path inside the container: "/var/cache"')]
"""An absolute path without the characters that separate the engine's mount options."""

AnyPhaseLabel = Annotated[
    str, _Text(r"^[a-z][a-z0-9-]{0,30}$", "the name of a phase: lower-case letters, digits and -")
]
"""The name of a phase. Its plain characters are safe even in a report written by a stranger."""

WorkingFolder = Annotated[str, _Text(r"^/[^\x00-\x1f]*$", 'a folder inside the container: "/app"')]

PhaseLabel = Annotated[
    str,
    _Text(
        r"^(?!start-up$|settle$)[a-z][a-z0-9-]{0,30}$",
        "lower-case letters, digits and -, and neither start-up nor settle",
    ),
]
"""The name of a phase of the workload. Every service also has the phases start-up and settle."""

ServiceName = Annotated[
    str, _Text(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "the name of a service: letters, digits and . _ -", 63)
]
"""A service name as in a compose file. It is also a host name on the service's network."""

NonEmpty = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
PositiveCount = Annotated[int, Field(ge=1, le=10_000_000, strict=True)]

RepositoryPath = NonEmpty
"""A path from the top of the repository, as committed."""

BakePath = Annotated[
    str,
    _Text(r"^[^\x00-\x1f]*\.(hcl|json)$", 'the path of a bake file, from the top of the repository: "docker-bake.hcl"'),
]
"""The path of a bake file. Compose files, which bake reads too, are for `compose`."""

_RUNNERS_OWN = (
    "ACTIONS_", "AWS_", "AZURE_", "CI_", "DOCKER_", "FORGEJO_", "GH_", "GITEA_", "GITHUB_", "GITLAB_", "GOOGLE_",
    "INPUT_", "MEMBUDGET_", "NPM_", "PYPI_", "RUNNER_", "SSH_",
)  # fmt: skip
"""Prefixes of the variables of the runner, a cloud or a package index. A pull request edits the budgets file and must
not be able to obtain their tokens by name.
"""


def _not_the_runners(name: str) -> str:
    if name.upper().startswith(_RUNNERS_OWN):
        raise not_allowed(f"a name of the workload's own; none that begins with {', '.join(_RUNNERS_OWN)}")
    return name


SecretName = Annotated[VariableName, AfterValidator(_not_the_runners)]

Variables = dict[VariableName, Annotated[str, StringConstraints(max_length=32_768)]]


class FileModel(ClosedModel):
    """A table of `budgets.toml`. It is immutable, and unknown keys are errors."""

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Self:
        """Return this table. Pydantic copies a default that has a mapping for each table that lacks the key."""
        return self
