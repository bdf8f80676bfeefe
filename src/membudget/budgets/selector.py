"""Which series of a Prometheus belong to an image: label matchers, as PromQL writes them.

A selector is read into its matchers and written anew with every value quoted. Whatever else a text holds never reaches
a query.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from membudget.budgets.fields import not_allowed

LONGEST_SELECTOR = 500
_MOST_MATCHERS = 10
_HINT = 'label matchers as PromQL writes them: {namespace="shop", container="api"}'
_MATCHER = re.compile(
    r"""\s*(?P<label>[A-Za-z_]\w*)\s*(?P<operator>=~|!~|!=|=)\s*
    (?:"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>(?:[^'\\\n]|\\.)*)'|`(?P<raw>[^`]*)`)\s*""",
    re.ASCII | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}
_WRITTEN = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on one label."""

    label: str
    operator: str
    """One of = and !=, or =~ and !~ for a regular expression."""
    value: str

    def __str__(self) -> str:
        quoted = "".join(_WRITTEN.get(character, character) for character in self.value)
        return f'{self.label}{self.operator}"{quoted}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that all have to hold."""

    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        return "{" + ",".join(map(str, self.matchers)) + "}"

    def has(self, *labels: str) -> bool:
        """Return whether a matcher is about one of these labels."""
        return any(matcher.label in labels for matcher in self.matchers)

    def only(self, keeps: Callable[[Matcher], bool]) -> "Selector":
        """Return the selector with some of its matchers."""
        return Selector(tuple(filter(keeps, self.matchers)))

    def plus(self, *matchers: Matcher) -> "Selector":
        """Return the selector with more matchers."""
        return Selector((*self.matchers, *matchers))


def of_containers(names: Sequence[str]) -> Selector:
    """Return the selector of containers with one of these names, which are in Kubernetes' label `container`."""
    if len(names) == 1:
        return Selector((Matcher("container", "=", names[0]),))
    return Selector((Matcher("container", "=~", "|".join(map(re.escape, names))),))


def parse_selector(text: str) -> Selector:
    """Return the selector that a text stands for. Raises ValueError, with a description of what is allowed."""
    text = text.strip()
    if len(text) > LONGEST_SELECTOR:
        raise ValueError(f"{LONGEST_SELECTOR} characters or fewer")
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError(_HINT)
    matchers = tuple(_matchers(text[1:-1].strip()))
    if not 1 <= len(matchers) <= _MOST_MATCHERS:
        raise ValueError(f"1 to {_MOST_MATCHERS} matchers")
    return Selector(matchers)


def _matchers(text: str) -> Iterator[Matcher]:
    at = 0
    while at < len(text):
        found = _MATCHER.match(text, at)
        if found is None:
            raise ValueError(_HINT)
        at = found.end()
        if at < len(text):
            if text[at] != ",":
                raise ValueError(_HINT)
            at += 1
        if found["label"] == "__name__":
            raise ValueError("no matcher for __name__: membudget sets the name of the metric")
        yield Matcher(found["label"], found["operator"], _value(found))


def _value(found: re.Match[str]) -> str:
    raw = found["raw"]
    if raw is None:
        escaped = found["double"] if found["double"] is not None else found["single"]
        raw = _ESCAPE.sub(_meant, escaped)
    if not raw.replace("\n", " ").replace("\t", " ").isprintable():
        raise ValueError("values without control characters")
    return raw


def _meant(found: re.Match[str]) -> str:
    try:
        return _MEANT[found[1]]
    except KeyError:
        raise ValueError(r"no other escapes than \\ \" \' \n \t: write \\. for a dot in a regular expression") from None


def _checked(text: str) -> str:
    try:
        return str(parse_selector(text))
    except ValueError as error:
        raise not_allowed(str(error)) from None


SelectorText = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*\{.*\}\s*$",
            "maxLength": LONGEST_SELECTOR,
            "examples": ['{namespace="shop", container="api"}'],
        }
    ),
]
"""A selector in the form that queries have."""
