"""The budgets file that `init` writes: a table for each image, and above each value a comment on its origin."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from membudget.budgets import value_comments
from membudget.budgets.suggested import SMALLEST_OWN_LIMIT_BYTES, as_written, limit_for, maximum_for
from membudget.core.quantities import MIB, format_size
from membudget.core.untrusted_text import printable
from membudget.setup.measured import FailedImage, Measured
from membudget.setup.plan import ImagePlan, Setting, TomlValue, Way
from membudget.version import VERSION

_REPOSITORY = "membudget/membudget"
SCHEMA = f"https://raw.githubusercontent.com/{_REPOSITORY}/v{VERSION}/docs/schema/budgets.schema.json"
_EXAMPLE = f"https://github.com/{_REPOSITORY}/blob/v{VERSION}/budgets.example.toml"
_HEAD = f"""\
#:schema {SCHEMA}
# Memory budgets, written by `membudget init`. This file shows every key:
# {_EXAMPLE}

version = 1

[defaults.budgets]
# A pull request fails if a value grew over base by more than BOTH the percent and the floor.
image_size = {{ growth = {{ percent = 5, floor = "5MiB" }} }}
peak_rss = {{ growth = {{ percent = 10, floor = "4MiB" }} }}
"""
_LONGEST_COMMENT = 300
_MOST_LOG_LINES = 5
_LIMIT_TO_BEGIN_WITH = 256 * MIB


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image of the budgets file."""

    name: str
    settings: tuple[Setting, ...]
    workload: tuple[Setting, ...]
    remarks: tuple[str, ...] = ()
    """Comments above the table."""
    failure: str | None = None
    """Why the table is commented out. None if it counts."""
    log_tail: tuple[str, ...] = ()
    """The last lines of output, if it failed."""


def measured_entry(result: Measured) -> ImageEntry:
    """Return the entry of an image that ran."""
    plan = result.plan
    settings = (plan.build, _limit(result), *_around(result.way), *_maxima(result))
    return ImageEntry(plan.name, settings, result.way.workload, result.notes)


def failed_entry(result: FailedImage) -> ImageEntry:
    """Return the entry of an image that does not build or run: what would be tried first, commented out."""
    unmeasured = unmeasured_entry(result.plan)
    workload = result.way.workload if result.way is not None else unmeasured.workload
    return ImageEntry(unmeasured.name, unmeasured.settings, workload, result.notes, result.reason, result.log_tail)


def unmeasured_entry(plan: ImagePlan) -> ImageEntry:
    """Return the entry of an image that was not run."""
    way = plan.likely_way
    deployed = plan.found.limit
    if deployed is not None:
        limit = Setting("limit", as_written(deployed.value), (value_comments.from_place(str(deployed.origin)),))
    else:
        limit = Setting("limit", as_written(_LIMIT_TO_BEGIN_WITH), (value_comments.NOT_MEASURED,))
    return ImageEntry(plan.name, (plan.build, limit, *_around(way)), way.workload)


def _around(way: Way) -> tuple[Setting, ...]:
    return (way.around,) if way.around is not None else ()


def _limit(result: Measured) -> Setting:
    deployed = result.plan.found.limit
    if deployed is None:
        comment = value_comments.no_file_sets_it(_derived(result))
    elif result.is_deployed:
        comment = value_comments.from_place(str(deployed.origin))
    else:
        comment = value_comments.too_small(deployed.value, str(deployed.origin), _derived(result))
    return Setting("limit", as_written(result.limit_bytes), (comment,))


def _derived(result: Measured) -> str:
    """Return how the limit follows from what the container used."""
    if result.used is None:
        return "the container ended before its memory was sampled"
    text = f"1.5 × the {result.used.metric.definition.label} of {format_size(result.used.value_bytes)}"
    least = limit_for(result.used.value_bytes, None)
    if result.limit_bytes > least:
        return f"{text}; raised, because the container failed under {format_size(result.limit_bytes // 2)}"
    return f"{text}, but at least {format_size(least)}" if least == SMALLEST_OWN_LIMIT_BYTES else text


def _maxima(result: Measured) -> Iterator[Setting]:
    """Yield the budgets that follow from what was measured."""
    size, peak = result.image_size_bytes, result.peak_rss_bytes
    if size is not None:
        yield _maximum("image_size", size, maximum_for(size))
    if peak is not None:
        yield _maximum("peak_rss", peak, min(maximum_for(peak), result.limit_bytes))


def _maximum(metric: str, measured_bytes: int, maximum_bytes: int) -> Setting:
    comment = value_comments.measured(measured_bytes, maximum_bytes)
    return Setting(f"budgets.{metric}", {"max": as_written(maximum_bytes)}, (comment,))


def budgets_text(entries: Sequence[ImageEntry]) -> str:
    """Return the budgets file. Images that do not build or run are commented out, with the reason."""
    return "\n".join([_HEAD, *("\n".join(_lines(entry)) + "\n" for entry in entries)])


def _lines(entry: ImageEntry) -> Iterator[str]:
    if entry.failure is None:
        yield from map(_comment, entry.remarks)
        yield from _tables(entry)
        return
    yield _comment(f"{entry.name} is commented out: {entry.failure}")
    yield from (_comment(f"  {printable(line)}") for line in entry.log_tail[-_MOST_LOG_LINES:])
    yield from map(_comment, entry.remarks)
    yield _comment("When you have fixed that, remove the # below, or run `membudget init --force`.")
    yield from (f"#{line}" if line.startswith("#") else f"# {line}".rstrip() for line in _tables(entry))


def _tables(entry: ImageEntry) -> Iterator[str]:
    yield f"[images.{entry.name}]"
    for setting in entry.settings:
        yield from _setting(setting)
    yield ""
    yield f"[images.{entry.name}.workload]"
    for setting in entry.workload:
        yield from _setting(setting)


def _setting(setting: Setting) -> Iterator[str]:
    yield from map(_comment, setting.comment)
    yield f"{setting.key} = {toml(setting.value)}"


def _comment(text: str) -> str:
    """Return a comment. Names from the repository may hold line ends, which would end it."""
    indent = " " * (len(text) - len(text.lstrip(" ")))
    return f"# {indent}{printable(text, _LONGEST_COMMENT)}"


def toml(value: TomlValue) -> str:
    """Return a value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes what JSON does, and DEL
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {toml(inner)}' for key, inner in value.items())} }}"
    return f"[{', '.join(map(toml, value))}]"


def _key(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else toml(key)
