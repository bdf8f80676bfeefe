"""Where a missing amount of memory can be written: the line of a file, the keys that are missing, and how they look.

A spot is stored in report.json, which a stranger may have written. So it holds keys out of an enumeration and numbers,
and of the file only a line that stays as it is. Nothing but these keys and an amount can come out of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import yaml
from pydantic import Field

from membudget.core.files import Stored
from membudget.manifests.yaml_text import YamlValue

LONGEST_LINE = 300
_MOST_KEYS = 4
_PREFERRED = ("image", "name", "build")
"""Below these keys of a container, people look for its memory."""


class SpotKeys(StrEnum):
    """The keys that may be missing: those above an amount, its own, and those that say what a VPA may set."""

    RESOURCES = "resources"
    LIMITS = "limits"
    REQUESTS = "requests"
    MEMORY = "memory"
    DEPLOY = "deploy"
    MEM_LIMIT = "mem_limit"
    MEMORY_RESERVATION = "memoryReservation"
    SIZE_LIMIT = "sizeLimit"
    RESOURCE_POLICY = "resourcePolicy"
    CONTAINER_POLICIES = "containerPolicies"
    CONTROLLED_RESOURCES = "controlledResources"


class Form(StrEnum):
    """How a missing key is added."""

    BELOW = "below"
    """On lines of their own, below the line."""
    ABOVE = "above"
    """On lines of their own, above the line."""
    BRACES_ABOVE = "braces_above"
    """Within braces that have a line for each key: above the line."""
    BRACES = "braces"
    """Within braces, in the line."""


@dataclass(frozen=True, slots=True)
class Spot(Stored):
    """Where a missing amount can be written."""

    path: Annotated[str, Field(max_length=1000)]
    line: Annotated[int, Field(ge=1)]
    line_text: Annotated[str, Field(max_length=LONGEST_LINE)]
    """The whole line, which stays."""
    form: Form
    column: Annotated[int, Field(ge=0, le=LONGEST_LINE)]
    """The indentation of the keys. For `BRACES`, how many characters of the line are before them."""
    keys: Annotated[tuple[SpotKeys, ...], Field(min_length=1, max_length=_MOST_KEYS)]
    """The missing keys, from the outside."""
    step: Annotated[int, Field(ge=1, le=8)] = 2
    """By how many spaces each level is indented."""
    is_json: bool = False
    is_alone: bool = False
    """Whether there is nothing else within the braces."""

    def is_beside(self, other: "Spot") -> bool:
        """Return whether both are written at the same place."""
        return (self.path, self.line, self.form, self.column) == (other.path, other.line, other.form, other.column)


SpotPart = tuple[Spot, str]
"""A spot, and the amount to write there."""
_Tree = dict[SpotKeys, "_Tree | str"]


def insertion(parts: Sequence[SpotPart]) -> tuple[int, str]:
    """Return what to insert into a line for amounts that are missing at one place, and before which character.

    The text has line breaks if it adds lines.
    """
    spot, tree = parts[0][0], _tree(parts)
    line = spot.line_text
    match spot.form:
        case Form.BELOW:
            return len(line), "".join(f"\n{one}" for one in _block(tree, spot.column, spot.step))
        case Form.ABOVE:
            return 0, "".join(f"{one}\n" for one in _block(tree, spot.column, spot.step))
        case Form.BRACES_ABOVE:
            return 0, f"{_indentation(line)}{_flow(tree, is_json=spot.is_json)},\n"
        case Form.BRACES:
            return min(spot.column, len(line)), _flow(tree, is_json=spot.is_json) + ("" if spot.is_alone else ", ")


def lines_with(parts: Sequence[SpotPart]) -> tuple[str, ...]:
    """Return the lines that replace the line of a spot: itself and what is added."""
    at, text = insertion(parts)
    line = parts[0][0].line_text
    return tuple(f"{line[:at]}{text}{line[at:]}".split("\n"))


def _tree(parts: Sequence[SpotPart]) -> _Tree:
    tree: _Tree = {}
    for spot, text in parts:
        below = tree
        for key in spot.keys[:-1]:
            inner = below.setdefault(key, {})
            below = inner if isinstance(inner, dict) else {}
        below[spot.keys[-1]] = text
    return tree


def _block(tree: _Tree, indentation: int, step: int) -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield f"{' ' * indentation}{key}:"
            yield from _block(value, indentation + step, step)
        else:
            yield f"{' ' * indentation}{key}: {value}"


def _flow(tree: _Tree, *, is_json: bool) -> str:
    found = []
    for key, value in tree.items():
        quote = '"' if is_json else ""
        if isinstance(value, dict):
            text = f"{{{_flow(value, is_json=is_json)}}}"
        else:
            text = value if value.isdecimal() else f"{quote}{value}{quote}"
        found.append(f"{quote}{key}{quote}: {text}")
    return ", ".join(found)


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


@dataclass(frozen=True, slots=True)
class SpotSource:
    """A file, or a part of it, in which spots are looked for."""

    path: str
    lines: Sequence[str]
    """All lines of the file. Empty if no spots are wanted."""
    offset: int = 0
    """How many lines of the file are above the part that was parsed."""
    step: int = 2

    def spot(self, parent: YamlValue, *keys: SpotKeys) -> Spot | None:
        """Return where an amount below a mapping can be written. None if it is there, or if no place is safe."""
        found, number = parent, 0
        for number, key in enumerate(keys):
            inner = found.get(key)
            if not inner:
                return self._within(found, keys[number:])
            if not _is_inside(inner, found):
                return None  # an alias or a merged mapping: others have it as well
            if inner.is_null and keys[number + 1 :]:
                return self._below_key(found, key, keys[number + 1 :])
            found = inner
        return None

    def _within(self, mapping: YamlValue, keys: tuple[SpotKeys, ...]) -> Spot | None:
        node = mapping.node
        if not self.lines or not isinstance(node, yaml.MappingNode):
            return None
        if node.flow_style:
            return self._within_braces(node, keys)
        beside = [key for key, value in node.value if _is_on_one_line(key, value)]
        if beside:
            preferred = (key for name in _PREFERRED for key in beside if key.value == name)
            anchor = next(preferred, beside[-1])
            return self._at(anchor.start_mark.line, Form.BELOW, anchor.start_mark.column, keys)
        first = node.value[0][0].start_mark if node.value else None
        if first is not None and not self._text(first.line)[: first.column].strip():
            return self._at(first.line, Form.ABOVE, first.column, keys)
        return None

    def _within_braces(self, node: yaml.MappingNode, keys: tuple[SpotKeys, ...]) -> Spot | None:
        brace = node.start_mark
        if self._text(brace.line)[brace.column : brace.column + 1] != "{":
            return None  # an anchor or a tag comes first
        if not node.value:
            return self._at(brace.line, Form.BRACES, brace.column + 1, keys, is_alone=True)
        first = node.value[0][0].start_mark
        if first.line == brace.line:
            return self._at(brace.line, Form.BRACES, first.column, keys)
        if self._text(first.line)[: first.column].strip():
            return None
        return self._at(first.line, Form.BRACES_ABOVE, first.column, keys)

    def _below_key(self, mapping: YamlValue, key: SpotKeys, keys: tuple[SpotKeys, ...]) -> Spot | None:
        """Return the spot below a key without a value, such as `resources:`."""
        node = mapping.node
        for name, value in node.value if isinstance(node, yaml.MappingNode) and not node.flow_style else ():
            mark = name.start_mark
            rest = self._text(mark.line)[name.end_mark.column :].lstrip()
            is_empty = rest.startswith(":") and (not (after := rest[1:].strip()) or after.startswith("#"))
            if name.value == key and value.value == "" and is_empty:
                return self._at(mark.line, Form.BELOW, mark.column + self.step, keys)
        return None

    def _at(
        self, line: int, form: Form, column: int, keys: tuple[SpotKeys, ...], *, is_alone: bool = False
    ) -> Spot | None:
        text = self._text(line)
        if not text or len(text) > LONGEST_LINE or column > LONGEST_LINE or "{{" in text:
            return None
        is_json = self.path.endswith(".json")
        return Spot(
            self.path, line + self.offset + 1, text, form, column, keys, self.step, is_json=is_json, is_alone=is_alone
        )

    def _text(self, line: int) -> str:
        number = line + self.offset
        return self.lines[number] if number < len(self.lines) else ""


def _is_inside(inner: YamlValue, outer: YamlValue) -> bool:
    if inner.node is None or outer.node is None:
        return False
    start, end = outer.node.start_mark.index, outer.node.end_mark.index
    return bool(start <= inner.node.start_mark.index <= inner.node.end_mark.index <= end)


def _is_on_one_line(key: yaml.Node, value: yaml.Node) -> bool:
    """Return whether a key and its value are on one line, and no mapping is merged there."""
    lines = {key.start_mark.line, value.start_mark.line, value.end_mark.line}
    is_empty = isinstance(value, yaml.ScalarNode) and not value.value and value.style is None
    return len(lines) == 1 and isinstance(key, yaml.ScalarNode) and not is_empty


def plain_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a text, as git and YAML count them. Empty if they count them differently."""
    lines = text.split("\n")
    if text.splitlines() != (lines if lines[-1] else lines[:-1]):
        return ()
    return tuple(lines[:-1])  # git tells a last line without an end from others


def step_of(text: str) -> int:
    """Return by how many spaces a text indents its first level. 2 if nothing is indented."""
    for line in text.split("\n"):
        width = len(line) - len(line.lstrip(" "))
        if width and line.strip() and not line.lstrip().startswith(("#", "-")):
            return min(width, 8)
    return 2
