"""Text from outside, made harmless for where it is shown: names, log lines, commit subjects, error messages.

Everything that is not ours is a code span or a code block in Markdown: GitHub finds no mention, link, reference,
image or HTML in those.
"""

import re
import unicodedata

_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_BACKTICKS = re.compile(r"`+")


def printable(text: str, longest: int = 300) -> str:
    """`text` on one line, without control, format and direction characters, cut to `longest` characters."""
    spaced = " ".join(_TERMINAL_SEQUENCE.sub("", text[: 4 * longest]).split())
    clean = "".join(character for character in spaced if not unicodedata.category(character).startswith("C"))
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def code_span(text: str, longest: int = 300) -> str:
    """`text` as a Markdown code span, also inside a table cell."""
    clean = printable(text, longest) or "(empty)"
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(clean)), default=0))
    padding = " " if "`" in clean else ""
    # GitHub splits table cells before it reads code spans: a pipe has to be escaped even here (GFM spec, 4.10).
    return f"{fence}{padding}{clean}{padding}{fence}".replace("|", "\\|")


def code_block(lines: tuple[str, ...], most_lines: int = 50, longest_line: int = 300) -> str:
    """The last of `lines` as a Markdown code block."""
    clean = [printable(line, longest_line) for line in lines[-most_lines:]]
    longest_run = max((len(run) for line in clean for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return "\n".join([f"{fence}text", *clean, fence])
