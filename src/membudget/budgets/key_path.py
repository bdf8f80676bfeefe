"""Says where in a budgets file an error of pydantic is, and what the format allows there."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import islice

from membudget.budgets.entries import BudgetsFile
from membudget.budgets.lines import Keys

Schema = dict[str, object]


def dotted(keys: Keys) -> str:
    """Return a key path as people write it: `images.api.limit`."""
    return ".".join(map(str, keys))


def similar(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant. None if none is similar, or none of the first 500."""
    candidates = [one for one in islice(known, _MOST_CANDIDATES) if len(one) <= _LONGEST_GUESS]
    return next(iter(difflib.get_close_matches(name[:_LONGEST_GUESS], candidates, n=1)), None)


_LONGEST_GUESS = 100
_MOST_CANDIDATES = 500
_MOST_GUESSES = 100
"""Comparing takes time: 0.1 s for all of these guesses among all of these candidates, if they are short."""


class Guesses:
    """Finds what was probably meant by wrong names of one kind in a file: the first 100. Later ones get no answer."""

    def __init__(self) -> None:
        self._left = _MOST_GUESSES

    @property
    def are_left(self) -> bool:
        """Whether the next name gets an answer."""
        return self._left > 0

    def similar(self, name: str, known: Callable[[], Iterable[str]]) -> str | None:
        """Return the known name that was probably meant. `known` is only called if there is an answer to look for."""
        if not self.are_left:
            return None
        self._left -= 1
        return similar(name, known())


@dataclass(frozen=True, slots=True)
class KeyPath:
    """A place in the file, and what the format allows there."""

    keys: Keys
    """The keys as the user writes them, without the union tags that pydantic adds."""
    siblings: tuple[str, ...]
    """The keys that the surrounding table allows."""
    description: str | None
    """The format's description of this key."""

    def __str__(self) -> str:
        return dotted(self.keys)


def locate(location: tuple[str | int, ...]) -> KeyPath:
    """Return the key path for the location of a pydantic error in a budgets file."""
    root = _format()
    definitions = _mapping(root.get("$defs"))
    nodes = [root]
    tables: list[Schema] = [root]
    keys: list[str | int] = []
    for given in location:
        step = str(given)
        tagged = [_mapping(_mapping(node.get("discriminator")).get("mapping")).get(step) for node in nodes]
        if any(tagged):
            nodes = [_resolved({"$ref": reference}, definitions) for reference in tagged if reference]
            continue
        if step == "[key]":  # the error is about the previous key
            continue
        keys.append(given)
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


def _described(table: Schema, keys: list[str | int]) -> object:
    return _mapping(_mapping(table.get("properties")).get(str(keys[-1]))).get("description") if keys else None


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
