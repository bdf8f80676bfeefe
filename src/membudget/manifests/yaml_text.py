"""Reads YAML of strangers: as nodes, each with its line and column, or as values for a few keys of many kinds of files.

Nodes are not turned into Python values: an alias stays a reference, so that a few lines of aliases cannot expand to
more than fits in memory. Callers look at definite keys, and never walk a whole document. Of values, merge keys (`<<`)
are followed, each mapping once for a question.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_EXPRESSION = "${{"
_NULL = "tag:yaml.org,2002:null"
MOST_ENTRIES = 1000
"""What is looked at of a mapping or a list. With aliases, many values may share a large one."""


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as it was written, with its place. Lines and columns count from 1."""

    text: str
    line: int
    column: int
    is_null: bool = False
    """Whether there is no value, as in `on: {push: }`."""
    is_block: bool = False
    """Whether it is a block scalar (`|` or `>`), whose text begins on the line below."""

    @property
    def has_expression(self) -> bool:
        """Whether a workflow's runner replaces parts of it: `${{ … }}`."""
        return _EXPRESSION in self.text


class InvalidYaml(Exception):
    """A text is not YAML, or nested too deeply. Lines and columns count from 1."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


def documents(text: str) -> list[Node]:
    """Return the root nodes of the documents in `text`, without empty documents. Raises InvalidYaml.

    The time is linear in the text's length, which callers bound: about a second for 100 KiB.
    """
    try:
        roots: list[Node] = list(yaml.compose_all(text, yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "it cannot be parsed"
        raise InvalidYaml(reason, *((mark.line + 1, mark.column + 1) if mark is not None else ())) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line = before.count("\n") + 1
        raise InvalidYaml(error.reason, line, len(before) - before.rfind("\n")) from None
    except RecursionError:
        raise InvalidYaml("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidYaml(str(error)) from None
    return [root for root in roots if (whole := scalar(root)) is None or not whole.is_null]


def entries(node: Node | None) -> Iterator[tuple[Text, Node]]:
    """Yield the keys and values of a mapping, in order. Of other nodes, and of keys that are no scalars, nothing.

    Of a large mapping, the first 1,000 are read.
    """
    for key, value in node.value[:MOST_ENTRIES] if isinstance(node, MappingNode) else ():
        name = scalar(key)
        if name is not None:
            yield name, value


def get(node: Node | None, *keys: str) -> Node | None:
    """Return the value below `keys`, one key for each level. None if there is none."""
    for key in keys:
        pairs = node.value[:MOST_ENTRIES] if isinstance(node, MappingNode) else ()
        node = next((value for name, value in pairs if isinstance(name, ScalarNode) and name.value == key), None)
    return node


def items(node: Node | None) -> list[Node]:
    """Return the items of a sequence, up to 1,000. Other nodes have none."""
    return list(node.value[:MOST_ENTRIES]) if isinstance(node, SequenceNode) else []


def scalar(node: Node | None) -> Text | None:
    """Return the text of a scalar and its place. None for other nodes."""
    if not isinstance(node, ScalarNode):
        return None
    is_null, is_block = node.tag == _NULL, node.style in ("|", ">")
    return Text(str(node.value), *place(node), is_null=is_null, is_block=is_block)


def place(node: Node) -> tuple[int, int]:
    """Return the line and the column at which a node begins, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


_MOST_MERGED = 50
"""The most mappings that `<<` may add to one mapping."""
_MOST_KEYS, _MOST_ENTRIES = 2000, 1000
"""What is looked at of a mapping and of a list. With aliases, many values may share a large one."""


@dataclass(frozen=True, slots=True)
class YamlValue:
    """A value of a document, or the absence of one."""

    node: yaml.Node | None = None

    def __bool__(self) -> bool:
        return self.node is not None

    @property
    def line(self) -> int:
        """The line that the value begins on, from 1."""
        return self.node.start_mark.line + 1 if self.node is not None else 1

    @property
    def text(self) -> str | None:
        """The value as it is written. None if it is a mapping, a list or null."""
        node = self.node
        return str(node.value) if isinstance(node, yaml.ScalarNode) and node.tag != _NULL else None

    @property
    def is_null(self) -> bool:
        """Whether the value is written as nothing."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == _NULL

    @property
    def number(self) -> int | None:
        """The value as a whole number. None if it is not one of up to nine digits."""
        text = (self.text or "").strip()
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None

    def get(self, *keys: str) -> "YamlValue":
        """Return the value below some keys."""
        found = self
        for key in keys:
            found = found._child(key)
        return found

    def _child(self, key: str) -> "YamlValue":
        for mapping in _merged(self.node):
            found = _values(mapping).get(key)
            if found is not None:
                return YamlValue(found[0])
        return YamlValue()

    def items(self) -> Iterator[tuple[str, "YamlValue"]]:
        """Yield the keys of a mapping that are plain texts, with their values."""
        seen = set()
        for mapping in _merged(self.node):
            for name, value in mapping.value[:_MOST_KEYS]:
                if isinstance(name, yaml.ScalarNode) and name.value != "<<" and name.value not in seen:
                    seen.add(name.value)
                    yield name.value, YamlValue(value)

    def entries(self) -> Iterator["YamlValue"]:
        """Yield the entries of a list."""
        if isinstance(self.node, yaml.SequenceNode):
            for value in self.node.value[:_MOST_ENTRIES]:
                yield YamlValue(value)

    @property
    def is_mapping(self) -> bool:
        """Whether the value has keys."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def texts(self) -> list[str]:
        """Return the texts of a list, or a single text as a list."""
        if self.text is not None:
            return [self.text]
        return [text for entry in self.entries() if (text := entry.text) is not None]

    def pairs(self) -> Mapping[str, str]:
        """Return a mapping of texts, also if it is written as a list of NAME=VALUE."""
        found = {name: value.text for name, value in self.items()}
        for entry in self.entries():
            name, equals, text = (entry.text or "").partition("=")
            if name and equals:
                found[name] = text
        return {name: text for name, text in found.items() if text is not None}


def _merged(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """Yield a mapping, and those that `<<` merges into it. Each is visited once."""
    waiting, seen = [node], set[int]()
    while waiting and len(seen) < _MOST_MERGED:
        current = waiting.pop(0)
        if not isinstance(current, yaml.MappingNode) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        for value in _values(current).get("<<", ()):
            waiting += value.value[:_MOST_MERGED] if isinstance(value, yaml.SequenceNode) else [value]


class _Index(dict[str, list[yaml.Node]]):
    """The values of a mapping by their keys."""


_INDEX = "_membudget_index"


def _values(mapping: yaml.MappingNode) -> _Index:
    """Return the values of a mapping by their keys. They are asked for often: many services may share a large one."""
    attributes = vars(mapping)
    found = attributes.get(_INDEX)
    if not isinstance(found, _Index):
        found = attributes[_INDEX] = _Index()  # on the node, because a cache elsewhere would keep whole documents alive
        for name, value in mapping.value[:_MOST_KEYS]:
            if isinstance(name, yaml.ScalarNode):
                found.setdefault(name.value, []).append(value)
    return found


def read_values(text: str) -> list[YamlValue]:
    """Return the documents of a YAML text. Raises InvalidYaml."""
    return [YamlValue(root) for root in documents(text)]
