"""The structure of a Dockerfile: its stages, and the lines of each instruction (docs.docker.com, Dockerfile reference).

`dockerfile-parse` is not used, because it mistakes the lines of a here-document for instructions. A Dockerfile may come
from a pull request: whatever it contains, as much of its structure as possible is returned.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LARGEST_DOCKERFILE = 1 << 20
"""The most bytes that are read of a Dockerfile."""
_MOST_LINES = 20_000
_MOST_STAGES = 1000
_LONGEST_VALUE = 4096
"""The longest value of an argument or name of an image. Values may contain values, and double with each."""
_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s*")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=(.*)")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_WITHOUT_HISTORY = frozenset({"FROM", "ONBUILD"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction."""

    keyword: str
    """The keyword in capitals."""
    arguments: str
    """The arguments without flags, with continued lines joined."""
    lines: tuple[int, int]
    """The first and the last line, from 1."""
    flags: tuple[tuple[str, str], ...] = ()
    documents: str = ""
    """The here-documents, on one line."""

    def flag(self, name: str) -> str | None:
        """Return the value of `--NAME=`."""
        return next((value for flag, value in self.flags if flag == name), None)

    @property
    def makes_history(self) -> bool:
        """Return whether a builder adds the instruction to the image's history."""
        return self.keyword not in _WITHOUT_HISTORY


@dataclass(frozen=True, slots=True)
class BuildStage:
    """A stage: FROM and the instructions that follow."""

    name: str | None
    base: str
    """The image or stage after FROM. Variables with known values are expanded."""
    lines: tuple[int, int]
    instructions: tuple[Instruction, ...]
    """The instructions after FROM."""

    @property
    def is_scratch(self) -> bool:
        """Return whether the stage starts from an empty image."""
        return self.base == "scratch"


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The stages of a Dockerfile, in order."""

    stages: tuple[BuildStage, ...]

    def stage(self, name: str) -> BuildStage | None:
        """Return the stage with a name or a number."""
        for number, stage in enumerate(self.stages):
            if (stage.name or "").lower() == name.lower() or str(number) == name:
                return stage
        return None

    def stage_chain(self, target: str | None = None) -> tuple[BuildStage, ...]:
        """Return the stages that an image consists of, each FROM the previous one, lowest first.

        The image is that of the last stage, or of the target.
        """
        last = self.stage(target) if target is not None else next(reversed(self.stages), None)
        if last is None:
            return ()
        chain, wanted = [last], last.base.lower()
        for stage in reversed(self.stages[: self.stages.index(last)]):  # FROM an earlier stage, or from an image
            if (stage.name or "").lower() == wanted:
                chain.append(stage)
                wanted = stage.base.lower()
        return tuple(reversed(chain))


def parse_dockerfile(text: str, build_args: Mapping[str, str] | None = None, platform: str | None = None) -> Dockerfile:
    """Parse a Dockerfile as it is built for a platform. Never fails: lines that are not instructions are ignored."""
    given = {**_platform_arguments(platform or ""), **(build_args or {})}
    arguments = dict(given)  # those of the platform need no ARG before the first FROM
    stages: list[BuildStage] = []
    head: Instruction | None = None
    body: list[Instruction] = []
    for instruction in _instructions(text.removeprefix("\ufeff").split("\n")[:_MOST_LINES]):
        if instruction.keyword == "FROM":
            _close(stages, head, body, arguments)
            head, body = instruction, []
        elif head is not None:
            body.append(instruction)
        elif instruction.keyword == "ARG":
            name, _, default = instruction.arguments.partition("=")
            value = _expanded(default.strip().strip("\"'"), arguments)
            arguments[name.strip()] = given.get(name.strip(), value)
    _close(stages, head, body, arguments)
    return Dockerfile(tuple(stages))


def _platform_arguments(platform: str) -> dict[str, str]:
    """Return the arguments that BuildKit sets when it builds for its own platform.

    Source: Dockerfile reference, "Automatic platform ARGs".
    """
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    parts = {"PLATFORM": platform, "OS": system, "ARCH": architecture, "VARIANT": variant}
    return {f"{side}{name}": value for side in ("TARGET", "BUILD") for name, value in parts.items()}


def _close(
    stages: list[BuildStage], head: Instruction | None, body: Sequence[Instruction], arguments: Mapping[str, str]
) -> None:
    if head is None or len(stages) >= _MOST_STAGES:
        return
    words = head.arguments[:_LONGEST_VALUE].split()
    name = words[2] if len(words) > 2 and words[1].upper() == "AS" else None
    last = body[-1].lines[1] if body else head.lines[1]
    base = _expanded(words[0], arguments) if words else ""
    stages.append(BuildStage(name, base, (head.lines[0], last), tuple(body)))


def _expanded(text: str, arguments: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, sign, other = match[1] or match[2], match[3], match[4] or ""
        known = arguments.get(name, "")
        if sign == "-":
            return known or other
        if sign == "+":
            return other if known else ""
        return known

    return _VARIABLE.sub(value, text[:_LONGEST_VALUE])[:_LONGEST_VALUE]


def _instructions(lines: Sequence[str]) -> Iterator[Instruction]:
    escape = "\\"
    ends = _Ends(lines)
    number = 0
    while number < len(lines) and (directive := _DIRECTIVE.match(lines[number].strip())):
        if directive[1].lower() == "escape" and directive[2].strip() in ("\\", "`"):
            escape = directive[2].strip()
        number += 1
    while number < len(lines):
        line = lines[number].strip()
        if not line or line.startswith("#"):
            number += 1
            continue
        first = number
        parts: list[str] = []
        while number < len(lines):
            line = lines[number].rstrip()
            number += 1
            if parts and (not line.strip() or line.lstrip().startswith("#")):
                continue  # comments and empty lines inside of a continued instruction are ignored
            parts.append(line.strip().removesuffix(escape).strip())
            if not line.endswith(escape):
                break
        text = " ".join(parts)
        end = ends.after(text, number)
        yield _instruction(text, (first + 1, end), " ".join(line.strip() for line in lines[number:end]))
        number = end


class _Ends:
    """An index of lines by their text, which finds the ends of here-documents without reading all lines again."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._plain: dict[str, list[int]] = {}
        self._dashed: dict[str, list[int]] = {}
        for number, line in enumerate(lines):
            text = line.rstrip("\r")
            self._plain.setdefault(text, []).append(number)
            self._dashed.setdefault(text.lstrip("\t"), []).append(number)

    def after(self, text: str, number: int) -> int:
        """Return the line after the here-documents of an instruction, whose first body starts at a line."""
        if text.partition(" ")[0].upper() not in ("RUN", "COPY", "ADD"):
            return number
        for dash, _, name in _HEREDOC.findall(text):
            there = (self._dashed if dash else self._plain).get(name, [])
            following = bisect_left(there, number)
            if following == len(there):
                return number  # a here-document without an end is not one
            number = there[following] + 1
        return number


def _instruction(text: str, lines: tuple[int, int], documents: str) -> Instruction:
    keyword, _, rest = text.partition(" ")
    rest = rest.strip()
    flags: list[tuple[str, str]] = []
    at = 0
    while match := _FLAG.match(rest, at):
        flags.append((match[1], match[2] or ""))
        at = match.end()
    return Instruction(keyword.upper(), rest[at:], lines, tuple(flags), documents)
