"""Field types of `budgets.toml`: sizes, durations and percents as people write them."""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from membudget import quantities

LONGEST_TEXT = 4096
LARGEST_SIZE_BYTES, LARGEST_SIZE = 1 << 50, "1024TiB"
LONGEST_DURATION_MS, LONGEST_DURATION = 24 * 3_600_000, "24h"
"""More than these is a slip of the hand; engine and timers would choke on it."""


def not_allowed(hint: str) -> PydanticCustomError:
    """The error of a value that is not what `hint` describes."""
    return PydanticCustomError("not_allowed", "{allowed}", {"allowed": hint})


def _matching(pattern: str, hint: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if len(text) > LONGEST_TEXT or not compiled.fullmatch(text):
            raise not_allowed(hint)
        return text

    return check


def _size(value: object) -> int:
    try:
        size = quantities.parse_size(value) if isinstance(value, str) else None
    except ValueError:
        size = None
    if size is None or size > LARGEST_SIZE_BYTES:
        raise not_allowed(quantities.SIZE_HINT if size is None else f"{LARGEST_SIZE} or less")
    return size


def _duration(value: object) -> int:
    try:
        duration = quantities.parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        duration = None
    if duration is None or duration > LONGEST_DURATION_MS:
        raise not_allowed(quantities.DURATION_HINT if duration is None else f"{LONGEST_DURATION} or less")
    return duration


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
    WithJsonSchema({"type": "string", "pattern": quantities.SIZE_PATTERN, "examples": ["256MiB"]}),
]
"""Written "256MiB", held as bytes."""

DurationMs = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": quantities.DURATION_PATTERN, "examples": ["30s"]}),
]
"""Written "30s", held as milliseconds."""

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
"""Written 5 or "5%", held as a float."""

_NAME_PATTERN = r"^[a-z0-9]+([_.-][a-z0-9]+)*$"
ImageName = Annotated[
    str,
    AfterValidator(_matching(_NAME_PATTERN, "lower-case letters, digits, and single . _ - between them")),
    Field(max_length=63),
    WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN, "maxLength": 63}),
]
"""A name as in an image reference (OCI distribution spec): it becomes a tag and a step output."""

_PATH_PATTERN = r"^/\S*$"
HttpPath = Annotated[
    str,
    AfterValidator(_matching(_PATH_PATTERN, 'a path that starts with a slash, without spaces: "/search?q=x"')),
    WithJsonSchema({"type": "string", "pattern": _PATH_PATTERN}),
]

_HEADER_NAME_PATTERN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
HeaderName = Annotated[
    str,
    AfterValidator(_matching(_HEADER_NAME_PATTERN, 'the name of a header field, like "Content-Type"')),
    WithJsonSchema({"type": "string", "pattern": _HEADER_NAME_PATTERN}),
]
"""A token (RFC 9110, 5.1)."""

_HEADER_VALUE_PATTERN = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
HeaderValue = Annotated[
    str,
    AfterValidator(_matching(_HEADER_VALUE_PATTERN, "one line of text, without control characters")),
    WithJsonSchema({"type": "string", "pattern": _HEADER_VALUE_PATTERN}),
]
"""RFC 9110, 5.5."""

_PLATFORM_PATTERN = r"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$"
Platform = Annotated[
    str,
    AfterValidator(_matching(_PLATFORM_PATTERN, 'an operating system and an architecture: "linux/amd64"')),
    WithJsonSchema({"type": "string", "pattern": _PLATFORM_PATTERN}),
]

_VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
VariableName = Annotated[
    str,
    AfterValidator(_matching(_VARIABLE_PATTERN, "the name of an environment variable: letters, digits and _")),
    WithJsonSchema({"type": "string", "pattern": _VARIABLE_PATTERN}),
]
"""POSIX, 8.1."""

_ABSOLUTE_PATTERN = r"^/[^\x00-\x1f:,]*[^\x00-\x1f:,/]$"
AbsolutePath = Annotated[
    str,
    AfterValidator(_matching(_ABSOLUTE_PATTERN, 'a path inside the container: "/var/cache"')),
    WithJsonSchema({"type": "string", "pattern": _ABSOLUTE_PATTERN}),
]
"""Without what the engine's mount options are written with."""

ANY_PHASE_PATTERN = r"^[a-z][a-z0-9-]{0,30}$"
AnyPhaseLabel = Annotated[
    str,
    AfterValidator(_matching(ANY_PHASE_PATTERN, "the name of a phase: lower-case letters, digits and -")),
    WithJsonSchema({"type": "string", "pattern": ANY_PHASE_PATTERN}),
]

_FOLDER_PATTERN = r"^/[^\x00-\x1f]*$"
WorkingFolder = Annotated[
    str,
    AfterValidator(_matching(_FOLDER_PATTERN, 'a folder inside the container: "/app"')),
    WithJsonSchema({"type": "string", "pattern": _FOLDER_PATTERN}),
]

PHASE_PATTERN = r"^(?!start-up$|settle$)[a-z][a-z0-9-]{0,30}$"
PhaseLabel = Annotated[
    str,
    AfterValidator(_matching(PHASE_PATTERN, "lower-case letters, digits and -, and neither start-up nor settle")),
    WithJsonSchema({"type": "string", "pattern": PHASE_PATTERN}),
]
"""The name of a phase; start-up and settle are phases of every service."""

NonEmpty = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
PositiveCount = Annotated[int, Field(ge=1, le=10_000_000, strict=True)]


class FileModel(BaseModel):
    """A table of `budgets.toml`: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
