"""Values of a YAML document with their lines, for whoever looks at a few keys of many kinds of files.

Merge keys (`<<`) are followed, each mapping once for a question, so that no document can explode.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from membudget.setup.yaml_nodes import documents, scalar

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
        written = scalar(self.node)
        return None if written is None or written.is_null else written.text

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
            for name, value in mapping.value[:_MOST_KEYS]:
                if isinstance(name, yaml.ScalarNode) and name.value == key:
                    return YamlValue(value)
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
        for name, value in current.value[:_MOST_KEYS]:
            if isinstance(name, yaml.ScalarNode) and name.value == "<<":
                waiting += value.value[:_MOST_MERGED] if isinstance(value, yaml.SequenceNode) else [value]


def read_values(text: str) -> list[YamlValue]:
    """Return the documents of a YAML text. Raises InvalidYaml."""
    return [YamlValue(root) for root in documents(text)]
