"""Key paths of `budgets.toml`: from where pydantic puts an error to what the user wrote there."""

import difflib
from dataclasses import dataclass
from functools import cache

from membudget.budgets.entries import BudgetsFile

Schema = dict[str, object]


@dataclass(frozen=True, slots=True)
class KeyPath:
    """A place in the file, and what the format allows there."""

    keys: tuple[str, ...]
    """As the user would write it, without the union tags that pydantic adds."""
    siblings: tuple[str, ...]
    """The keys that the table around it knows."""
    description: str | None
    """What the format says of this key."""

    def __str__(self) -> str:
        return ".".join(self.keys)

    @property
    def siblings_with_guess(self) -> str | None:
        """The keys of the table around, and the one that was probably meant."""
        if not self.siblings:
            return None
        likely = difflib.get_close_matches(self.keys[-1], self.siblings, n=1)
        listed = ", ".join(self.siblings)
        return f"{listed} (did you mean {likely[0]}?)" if likely else listed


def locate(location: tuple[str | int, ...]) -> KeyPath:
    """The key path of a pydantic error location in a budgets file."""
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
        if step == "[key]":  # the error is about the key before it
            continue
        keys.append(step)
        tables = [table for node in nodes for table in _alternatives(node, definitions)]
        nodes = [_resolved(child, definitions) for table in tables if (child := _child(table, step))]
    siblings = sorted({key for table in tables for key in _mapping(table.get("properties"))})
    described = [text for table in tables if isinstance(text := _described(table, keys), str)]
    return KeyPath(tuple(keys), tuple(siblings), described[0] if described else None)


@cache
def _format() -> Schema:
    """The format as a JSON schema: making it takes longer than everything else here."""
    return BudgetsFile.model_json_schema()


def _described(table: Schema, keys: list[str]) -> object:
    return _mapping(_mapping(table.get("properties")).get(keys[-1])).get("description") if keys else None


def _resolved(node: Schema, definitions: Schema) -> Schema:
    reference = node.get("$ref")
    return _mapping(definitions.get(reference.rpartition("/")[2])) if isinstance(reference, str) else node


def _alternatives(node: Schema, definitions: Schema) -> list[Schema]:
    """The tables `node` may be: itself, or each branch of a union."""
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
