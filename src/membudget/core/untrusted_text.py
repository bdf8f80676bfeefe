"""Text from outside, made harmless for where it is shown: names, log lines, commit subjects, error messages.

Everything that is not ours is a code span or a code block in Markdown: GitHub finds no mention, link, reference,
image or HTML in those.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_SPACE = re.compile(r"\s")
"""Any: ends of lines, too, and spaces of every width, which not all fonts and terminals show as one."""
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text from outside. It is no `str`: only the functions below turn it into one, each for one output format."""

    text: str


Part = str | Quoted
"""A part of a sentence: our own words and figures, or a quotation."""


def in_markdown(part: Part) -> str:
    """A part for the comment and the step summary: a quotation is a code span."""
    return code_span(part.text) if isinstance(part, Quoted) else part


def in_plain_text(part: Part) -> str:
    """A part for a terminal, a log and formats without mark-up: a quotation is one printable line."""
    return printable(part.text) if isinstance(part, Quoted) else part


def raw(parts: Iterable[Part]) -> str:
    """A sentence as it is, for JSON and for callers that escape the whole of it."""
    return "".join(part.text if isinstance(part, Quoted) else part for part in parts)


def in_html(part: Part) -> str:
    """A part for a line that GitHub does not read as Markdown."""
    return html_code(part.text) if isinstance(part, Quoted) else html.escape(part)


def printable(text: str, longest: int = 300) -> str:
    """`text` on one line, without control, format and direction characters, cut to `longest` characters."""
    spaced = " ".join(_within(text, longest).split())  # first, or two lines would become one word
    return _cut(" ".join(_without_controls(spaced).split()), longest)


def printable_line(line: str, longest: int = 300) -> str:
    """A line of a log: as `printable`, with the spaces that indent and align it."""
    spaced = _SPACE.sub(" ", _within(line, longest).expandtabs(4))
    return _cut(_without_controls(spaced).rstrip(), longest)


def code_span(text: str, longest: int = 300) -> str:
    """`text` as a Markdown code span."""
    clean = printable(text, longest) or "(empty)"
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(clean)), default=0))
    padding = " " if "`" in clean else ""
    return f"{fence}{padding}{clean}{padding}{fence}"


def code_cell(text: str, longest: int = 300) -> str:
    """`text` as a code span inside a table, where GitHub looks for pipes before code spans (GFM spec, 4.10)."""
    return code_span(text, longest).replace("|", "\\|")


def html_code(text: str, longest: int = 300) -> str:
    """`text` as code in HTML, for a line that GitHub does not read as Markdown."""
    return f"<code>{html.escape(printable(text, longest) or '(empty)')}</code>"


def code_block(lines: tuple[str, ...], most_lines: int = 50, longest_line: int = 300) -> str:
    """The last of `lines` as a Markdown code block."""
    clean = [printable_line(line, longest_line) for line in lines[-most_lines:]]
    longest_run = max((len(run) for line in clean for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return "\n".join([f"{fence}text", *clean, fence])


def json_without_commands(document: str) -> str:
    """A JSON document in which a workflow's runner finds no command, and every reader the same as before.

    The older `##[command]` counts anywhere in a line, and in JSON a # is part of a string; `::command` counts at the
    start of one, where JSON of more than one line has a bracket, a quote or a key (actions/runner: ActionCommand.cs).
    """
    return document.replace("##[", "\\u0023#[")


def _within(text: str, longest: int) -> str:
    """Without terminal sequences, and not much longer than what will be shown."""
    return _TERMINAL_SEQUENCE.sub("", text[: 4 * longest])


def _without_controls(text: str) -> str:
    return "".join(character for character in text if not unicodedata.category(character).startswith("C"))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
