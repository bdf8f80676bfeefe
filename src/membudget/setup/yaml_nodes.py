"""Reads YAML of strangers as nodes, each with its line and column.

Nodes are not turned into Python values: an alias stays a reference, so that a few lines of aliases cannot expand to
more than fits in memory. Callers look at definite keys, and never walk a whole document.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_EXPRESSION = "${{"
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
    is_null, is_block = node.tag == "tag:yaml.org,2002:null", node.style in ("|", ">")
    return Text(str(node.value), *place(node), is_null=is_null, is_block=is_block)


def place(node: Node) -> tuple[int, int]:
    """Return the line and the column at which a node begins, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1
