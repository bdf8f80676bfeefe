"""The structure of a Dockerfile: its stages, and the lines of each instruction (docs.docker.com, Dockerfile reference).

Ours, because `dockerfile-parse` takes the lines of a here-document for instructions. A Dockerfile is a pull request's
file: whatever it holds, the structure is told as far as there is one.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LARGEST_DOCKERFILE = 1 << 20
"""Bytes that are read of one."""
_MOST_LINES = 20_000
_MOST_STAGES = 1000
_LONGEST_VALUE = 4096
"""Of arguments and names of images: values may be made of values, and double with each."""
_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s*")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=(.*)")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_WITHOUT_HISTORY = frozenset({"FROM", "ONBUILD"})


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction."""

    keyword: str
    """In capitals."""
    arguments: str
    """Without flags, continued lines joined."""
    lines: tuple[int, int]
    """First and last, from 1."""
    flags: tuple[tuple[str, str], ...] = ()
    documents: str = ""
    """Its here-documents, on one line."""

    def flag(self, name: str) -> str | None:
        """The value of `--NAME=`."""
        return next((value for flag, value in self.flags if flag == name), None)

    @property
    def makes_history(self) -> bool:
        """Whether a builder writes it into the image's history."""
        return self.keyword not in _WITHOUT_HISTORY


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: FROM and what follows."""

    name: str | None
    base: str
    """What it is FROM, variables expanded where their values are known."""
    lines: tuple[int, int]
    instructions: tuple[Instruction, ...]
    """Without its FROM."""

    @property
    def is_scratch(self) -> bool:
        """Whether it begins with nothing."""
        return self.base == "scratch"


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile's stages, in order."""

    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage | None:
        """The stage of a name or a number."""
        for number, stage in enumerate(self.stages):
            if (stage.name or "").lower() == name.lower() or str(number) == name:
                return stage
        return None

    def stage_chain(self, target: str | None = None) -> tuple[Stage, ...]:
        """The stages that an image is made of, one FROM the other, lowest first; the last one's, or the target's."""
        last = self.stage(target) if target is not None else next(reversed(self.stages), None)
        if last is None:
            return ()
        chain, wanted = [last], last.base.lower()
        for stage in reversed(self.stages[: self.stages.index(last)]):  # FROM an earlier stage, or from outside
            if (stage.name or "").lower() == wanted:
                chain.append(stage)
                wanted = stage.base.lower()
        return tuple(reversed(chain))


def parse_dockerfile(text: str, build_args: Mapping[str, str] | None = None, platform: str | None = None) -> Dockerfile:
    """The structure of a Dockerfile, as it is built for a platform. Never fails: what is no instruction is none."""
    given = {**_platform_arguments(platform or ""), **(build_args or {})}
    arguments = dict(given)  # those of the platform need no ARG before the first FROM
    stages: list[Stage] = []
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
    """The arguments that BuildKit sets (Dockerfile reference, "Automatic platform ARGs"), as if it built for itself."""
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    parts = {"PLATFORM": platform, "OS": system, "ARCH": architecture, "VARIANT": variant}
    return {f"{side}{name}": value for side in ("TARGET", "BUILD") for name, value in parts.items()}


def _close(
    stages: list[Stage], head: Instruction | None, body: Sequence[Instruction], arguments: Mapping[str, str]
) -> None:
    if head is None or len(stages) >= _MOST_STAGES:
        return
    words = head.arguments[:_LONGEST_VALUE].split()
    name = words[2] if len(words) > 2 and words[1].upper() == "AS" else None
    last = body[-1].lines[1] if body else head.lines[1]
    base = _expanded(words[0], arguments) if words else ""
    stages.append(Stage(name, base, (head.lines[0], last), tuple(body)))


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
                continue  # comments and empty lines within a continued instruction are skipped
            parts.append(line.strip().removesuffix(escape).strip())
            if not line.endswith(escape):
                break
        text = " ".join(parts)
        end = ends.after(text, number)
        yield _instruction(text, (first + 1, end), " ".join(line.strip() for line in lines[number:end]))
        number = end


class _Ends:
    """Where here-documents end: lines by what stands in them, found without reading all that follow each time."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._plain: dict[str, list[int]] = {}
        self._dashed: dict[str, list[int]] = {}
        for number, line in enumerate(lines):
            text = line.rstrip("\r")
            self._plain.setdefault(text, []).append(number)
            self._dashed.setdefault(text.lstrip("\t"), []).append(number)

    def after(self, text: str, number: int) -> int:
        """The line behind the bodies of an instruction's here-documents, which begin at a line."""
        if text.partition(" ")[0].upper() not in ("RUN", "COPY", "ADD"):
            return number
        for dash, _, name in _HEREDOC.findall(text):
            there = (self._dashed if dash else self._plain).get(name, [])
            following = bisect_left(there, number)
            if following == len(there):
                return number  # without its end it is none
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
