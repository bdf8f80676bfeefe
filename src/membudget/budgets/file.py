"""Reads `budgets.toml` and reports every problem of the file in one error."""

import difflib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from membudget.budgets.entries import Budgets, BudgetsFile, ImageSpec
from membudget.budgets.possible import check_members, impossible, unknown_images
from membudget.budgets.workload import KIND_NAMES
from membudget.core.errors import BudgetsFileError, ConfigurationError, Problem
from membudget.core.files import read_plain

Schema = dict[str, object]


@dataclass(frozen=True, slots=True)
class KeyPath:
    """A place in the file, and what the format allows there."""

    keys: tuple[str, ...]
    """The keys as the user writes them, without the union tags that pydantic adds."""
    siblings: tuple[str, ...]
    """The keys that the surrounding table allows."""
    description: str | None
    """The format's description of this key."""

    def __str__(self) -> str:
        return ".".join(self.keys)

    @property
    def siblings_with_guess(self) -> str | None:
        """The keys of the surrounding table, with a guess at the one that was meant."""
        if not self.siblings:
            return None
        likely = difflib.get_close_matches(self.keys[-1], self.siblings, n=1)
        listed = ", ".join(self.siblings)
        return f"{listed} (did you mean {likely[0]}?)" if likely else listed


def locate(location: tuple[str | int, ...]) -> KeyPath:
    """Return the key path for the location of a pydantic error in a budgets file."""
    root = _format()
    definitions = _mapping(root.get("$defs"))
    nodes = [root]
    tables: list[Schema] = [root]
    keys: list[str] = []
    for step in map(str, location):
        tagged = [_mapping(_mapping(node.get("discriminator")).get("mapping")).get(step) for node in nodes]
        if any(tagged):
            nodes = [_resolved({"$ref": reference}, definitions) for reference in tagged if reference]
            continue
        if step == "[key]":  # the error is about the previous key
            continue
        keys.append(step)
        tables = [table for node in nodes for table in _alternatives(node, definitions)]
        nodes = [_resolved(child, definitions) for table in tables if (child := _child(table, step))]
    siblings = sorted({key for table in tables for key in _mapping(table.get("properties"))})
    described = [text for table in tables if isinstance(text := _described(table, keys), str)]
    return KeyPath(tuple(keys), tuple(siblings), described[0] if described else None)


@cache
def _format() -> Schema:
    """Return the format as a JSON schema.

    Cached, because building the schema takes longer than everything else here.
    """
    return BudgetsFile.model_json_schema()


def _described(table: Schema, keys: list[str]) -> object:
    return _mapping(_mapping(table.get("properties")).get(keys[-1])).get("description") if keys else None


def _resolved(node: Schema, definitions: Schema) -> Schema:
    reference = node.get("$ref")
    return _mapping(definitions.get(reference.rpartition("/")[2])) if isinstance(reference, str) else node


def _alternatives(node: Schema, definitions: Schema) -> list[Schema]:
    """Return the tables that `node` may be: itself, or each branch of a union."""
    node = _resolved(node, definitions)
    choices = [choice for key in ("anyOf", "oneOf") for choice in _sequence(node.get(key))]
    return [table for choice in choices for table in _alternatives(_mapping(choice), definitions)] or [node]


def _child(table: Schema, step: str) -> Schema:
    properties = _mapping(table.get("properties"))
    if step in properties:
        return _mapping(properties[step])
    by_pattern = list(_mapping(table.get("patternProperties")).values())
    return _mapping(table.get("additionalProperties") or table.get("items") or (by_pattern or [None])[0])


def _mapping(value: object) -> Schema:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[object]:
    return value if isinstance(value, list) else []


LARGEST_FILE_BYTES = 1_000_000

Location = tuple[str | int, ...]
"""The location of a pydantic error: keys from the top of the file."""

_WORKLOAD_KINDS = ", ".join(KIND_NAMES)


def read(path: Path) -> str:
    """Return the text of a budgets file. Raises ConfigurationError if it cannot be read."""
    try:
        data = read_plain(path, LARGEST_FILE_BYTES)
    except FileNotFoundError:
        raise ConfigurationError(
            "the budgets file was not found",
            where=str(path),
            fix="create it (budgets.example.toml shows every key), or pass another file with --budgets FILE",
        ) from None
    except OSError as error:
        raise ConfigurationError(f"the budgets file cannot be read: {error.strerror}", where=str(path)) from None
    if len(data) > LARGEST_FILE_BYTES:
        raise ConfigurationError(
            "the budgets file is too large",
            where=str(path),
            fix=f"use a file of {LARGEST_FILE_BYTES:,} bytes or fewer",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the budgets file is not UTF-8 text: {error.reason} at byte {error.start}",
            where=str(path),
            fix="save the file as UTF-8",
        ) from None


def parse(text: str, name: str, checkout: Path | None = None) -> dict[str, ImageSpec]:
    """Return the images of a budgets file, with defaults applied. See `parse_budgets`, which returns the whole file."""
    return dict(parse_budgets(text, name, checkout).images)


def parse_budgets(text: str, name: str, checkout: Path | None = None) -> Budgets:
    """Return the content of a budgets file, with defaults applied.

    `name` is the file's name in messages. With `checkout`, build contexts and Dockerfiles must exist below it. Raises
    BudgetsFileError with all problems of the file.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BudgetsFileError([Problem(name, f"is not valid TOML: {error}")]) from None
    except (ValueError, RecursionError):  # tomllib lets these through
        raise BudgetsFileError(
            [Problem(name, "cannot be parsed: tables are nested too deeply, or a number is too long")]
        ) from None
    try:
        file = BudgetsFile.model_validate(raw)
        check_members(file, name)
        budgets = file.resolved()
        problems = unknown_images(budgets, name)
        broken: set[Location] = set()
    except ValidationError as error:
        problems = _problems(error, name)
        broken = {detail["loc"] for detail in error.errors()}
        budgets = Budgets(_without(broken, raw))
    for image_name, image in budgets.images.items():
        where = f"{name}: images.{image_name}"
        limit_is_known = ("images", image_name, "limit") not in broken
        if limit_is_known and (image.limit is not None or ("defaults", "limit") not in broken):
            problems += impossible(image, where)
        if checkout is not None:
            problems += _missing_paths(image, where, checkout)
    if problems:
        raise BudgetsFileError(problems)
    return budgets


def _without(broken: set[Location], raw: dict[str, object]) -> dict[str, ImageSpec]:
    """Return the images of a broken file without the broken keys, so that one report names the other problems too."""
    defaults = _sound(raw.get("defaults"), {loc[1] for loc in broken if loc[0] == "defaults" and len(loc) > 1})
    tables = raw.get("images")
    images: dict[str, ImageSpec] = {}
    for image_name, table in tables.items() if isinstance(tables, dict) else ():
        sound = _sound(table, {loc[2] for loc in broken if loc[:2] == ("images", image_name) and len(loc) > 2})
        try:
            alone = BudgetsFile.model_validate({"version": 1, "defaults": defaults, "images": {image_name: sound}})
        except ValidationError:  # the image's name is what is broken
            continue
        images |= alone.resolved().images
    return images


def _sound(table: object, broken_keys: set[str | int]) -> dict[str, object]:
    return {key: value for key, value in table.items() if key not in broken_keys} if isinstance(table, dict) else {}


def _missing_paths(image: ImageSpec, where: str, checkout: Path) -> list[Problem]:
    context = _existing(checkout, image.build.context, Path.is_dir)
    if context is None:
        allowed = "a folder, relative to the root of the repository"
        return [Problem(f"{where}.build.context", "names no folder in the repository", image.build.context, allowed)]
    if _existing(checkout, f"{image.build.context}/{image.build.dockerfile}", Path.is_file) is None:
        allowed = "a file, relative to the build context" + _dockerfiles_in(context)
        return [
            Problem(f"{where}.build.dockerfile", "names no file in the repository", image.build.dockerfile, allowed)
        ]
    return []


def _existing(checkout: Path, name: str, is_wanted: Callable[[Path], bool]) -> Path | None:
    """Return the path of `name` below the checkout, or None if it is elsewhere or not what is wanted."""
    try:
        path = (checkout / name).resolve()
        return path if path.is_relative_to(checkout.resolve()) and is_wanted(path) else None
    except (OSError, ValueError, RuntimeError):  # the name is too long or contains NUL, or links form a circle
        return None


def _dockerfiles_in(context: Path) -> str:
    found = sorted(path.name for path in context.glob("*ockerfile*") if path.is_file())[:5]
    return f" (the context contains: {', '.join(found)})" if found else ""


def _problems(error: ValidationError, name: str) -> list[Problem]:
    details = error.errors()
    # pydantic then calls a list without its broken items too short. Report only the broken items.
    broken = {detail["loc"] for detail in details if detail["type"] != "too_short"}
    return [
        _problem(detail, name)
        for detail in details
        if not (detail["type"] == "too_short" and any(loc[: len(detail["loc"])] == detail["loc"] for loc in broken))
    ]


def _problem(detail: ErrorDetails, name: str) -> Problem:
    """Return one pydantic error in the user's words."""
    path = locate(detail["loc"])
    where = f"{name}: {path}" if path.keys else name
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return Problem(where, "unknown key", path.keys[-1], path.siblings_with_guess)
        case "missing":
            return Problem(where, "is missing", None, path.description)
        case "union_tag_not_found":
            return Problem(f"{where}.kind", "is missing", None, _WORKLOAD_KINDS)
        case "union_tag_invalid":
            return Problem(f"{where}.kind", "unknown kind of workload", str(context.get("tag")), _WORKLOAD_KINDS)
        case "literal_error":
            return Problem(where, "invalid value", _shown(detail["input"]), str(context["expected"]))
        case _:
            found = str(context["found"]) if "found" in context else _shown(detail["input"])
            return Problem(where, "invalid value", found, detail["msg"])


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python does not print numbers of more than 4300 digits
        return "a number that is too long to show"


def budgets_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of `budgets.toml`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "budgets.toml of membudget",
        **{key: value for key, value in BudgetsFile.model_json_schema().items() if key != "title"},
    }
