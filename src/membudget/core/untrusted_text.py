"""Makes text from outside harmless for its place: names, log lines, commit subjects, error messages.

In Markdown, such text becomes a code span or a code block. GitHub does not interpret mentions, links, references,
images or HTML inside of them.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_SPACE = re.compile(r"\s")
"""Line ends, and spaces of any width. Not all fonts and terminals show the latter as spaces."""
_BACKTICKS = re.compile(r"`+")
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text from outside. It is not a `str`: only the functions below convert it, one for each output format."""

    text: str


Part = str | Quoted
"""A part of a sentence: membudget's own words and figures, or quoted text."""
Parts = tuple[Part, ...]
"""A sentence in its parts."""

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
"""A value of a JSON document."""


def whole_characters(text: str) -> str:
    """Return `text` with each half of a surrogate pair replaced, because JSON has none and no parser accepts one.

    Names on disk that are not UTF-8 have them. The length stays the same.
    """
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def in_markdown(part: Part) -> str:
    """Format a part for the comment and the step summary. Quoted text becomes a code span."""
    return code_span(part.text) if isinstance(part, Quoted) else part


def in_plain_text(part: Part) -> str:
    """Format a part for terminals, logs and plain-text formats. Quoted text becomes one printable line."""
    return printable(part.text) if isinstance(part, Quoted) else part


def raw(parts: Iterable[Part]) -> str:
    """Join parts without escaping, for JSON and for callers that escape the whole sentence."""
    return "".join(part.text if isinstance(part, Quoted) else part for part in parts)


def in_html(part: Part) -> str:
    """Format a part for a line that GitHub does not interpret as Markdown."""
    return html_code(part.text) if isinstance(part, Quoted) else html.escape(part)


def in_json(part: Part) -> str | list[str]:
    """Format a part for a program that shows it as text. Quoted text becomes a list with one printable line."""
    return [printable(part.text) or "(empty)"] if isinstance(part, Quoted) else part


def printable(text: str, longest: int = 300) -> str:
    """Return `text` on one line, cut to `longest` characters, without control, format and direction characters."""
    # split before removing controls, which would join two lines into one word
    spaced = " ".join(_within(text, longest).split())
    return _cut(" ".join(_without_controls(spaced).split()), longest)


def printable_line(line: str, longest: int = 300) -> str:
    """Return a line of a log as `printable` does, but keep the spaces that indent and align it."""
    spaced = _SPACE.sub(" ", _within(line, longest).expandtabs(4))
    return _cut(_without_controls(spaced).rstrip(), longest)


def code_span(text: str, longest: int = 300) -> str:
    """Return `text` as a Markdown code span."""
    clean = printable(text, longest) or "(empty)"
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(clean)), default=0))
    padding = " " if "`" in clean else ""
    return f"{fence}{padding}{clean}{padding}{fence}"


def code_cell(text: str, longest: int = 300) -> str:
    """Return `text` as a code span inside a table, where GitHub splits cells before it finds code (GFM spec, 4.10)."""
    return code_span(text, longest).replace("|", "\\|")


def html_code(text: str, longest: int = 300) -> str:
    """Return `text` as code in HTML, for a line that GitHub does not interpret as Markdown."""
    return f"<code>{html.escape(printable(text, longest) or '(empty)')}</code>"


def code_block(lines: tuple[str, ...], most_lines: int = 50, longest_line: int = 300, language: str = "text") -> str:
    """Return the last of `lines` as a Markdown code block."""
    clean = [printable_line(line, longest_line) for line in lines[-most_lines:]]
    longest_run = max((len(run) for line in clean for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return "\n".join([f"{fence}{language}", *clean, fence])


def json_without_commands(document: str) -> str:
    """Return an equivalent JSON document that contains no command for a workflow's runner.

    The older `##[command]` is recognised anywhere in a line, but in JSON a # only occurs inside a string. `::command`
    is recognised only at the start of a line, where JSON has a bracket, a quote or a key (actions/runner:
    ActionCommand.cs).
    """
    return document.replace("##[", "\\u0023#[")


def _within(text: str, longest: int) -> str:
    """Remove terminal sequences, and cut the text to not much more than will be shown."""
    return _TERMINAL_SEQUENCE.sub("", text[: 4 * longest])


def _without_controls(text: str) -> str:
    if text.isprintable():  # true of nearly all text, and of no text with such a character
        return text
    return "".join(character for character in text if not unicodedata.category(character).startswith("C"))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
