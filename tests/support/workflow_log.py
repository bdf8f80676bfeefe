"""A step's log and files as the runner reads them (actions/runner: ActionCommand.cs, FileCommandManager.cs).

It obeys `::command` at the start of a line, and the older `##[command]` anywhere in one.
"""

import re
from pathlib import Path

HOSTILE = (
    "::error::gotcha",
    "\n::set-output name=verdict::pass",
    "\r\n::add-mask::a",
    "%0A::stop-commands::x",
    "x\u2028::error::gotcha",
    "##[stop-commands]x",
    "a\x1b[2K\r::error::gotcha",
    "::endgroup::",
    "title,file=/etc/passwd,line=1::gotcha",
)
"""Texts that would command a runner."""
_MODERN = re.compile(r"\s*::([a-z-]+|[0-9a-f]{32})( [^:]*)?::(.*)", re.DOTALL)
_OLD = re.compile(r"##\[([a-z-]+|[0-9a-f]{32})([^\]]*)\](.*)", re.DOTALL)
_HEREDOC = re.compile(r"([^=\n]+)<<(\S+)")


def obeyed(log: str) -> list[tuple[str, str]]:
    """The commands of a log that a runner obeys, with their data."""
    commands, stop = [], None
    for line in re.split(r"\r\n|\r|\n", log):
        found = _MODERN.match(line) or _OLD.search(line)
        if found is None:
            continue
        name = found[1]
        if stop is not None:
            stop = None if name == stop else stop
        elif name == "stop-commands":
            stop = found[3]
        else:
            commands.append((name, found[3]))
    assert stop is None, "commands are still stopped at the end: nothing after this is obeyed"
    return commands


def outputs_of(path: Path) -> dict[str, str]:
    """The outputs in a file, by the rules of the runner (FileCommandManager.cs)."""
    outputs = {}
    lines = iter(path.read_text().split("\n")[:-1])
    for line in lines:
        found = _HEREDOC.fullmatch(line)
        if found is None:
            name, separator, value = line.partition("=")
            assert separator, f"the runner refuses the line {line!r}"
            outputs[name] = value
            continue
        content = []
        for inner in lines:
            if inner == found[2]:
                break
            content.append(inner)
        else:
            raise AssertionError(f"the runner misses the delimiter {found[2]}")
        outputs[found[1]] = "\n".join(content)
    return outputs
