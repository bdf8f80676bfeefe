"""The structure of a Dockerfile: its stages, and the lines of each instruction (docs.docker.com, Dockerfile reference).

Ours, because `dockerfile-parse` takes the lines of a here-document for instructions. A Dockerfile is a pull request's
file: whatever it holds, the structure is told as far as there is one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_MOST_LINES = 20_000
_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s*")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S.*?)\s*$")
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
        stage = self.stage(target) if target is not None else next(reversed(self.stages), None)
        chain: list[Stage] = []
        while stage is not None:
            chain.append(stage)
            earlier = self.stages[: self.stages.index(stage)]  # a stage is FROM an earlier one, or from outside
            base = stage.base.lower()
            stage = next((one for one in reversed(earlier) if (one.name or "").lower() == base), None)
        return tuple(reversed(chain))


def parse_dockerfile(text: str, build_args: Mapping[str, str] | None = None) -> Dockerfile:
    """The structure of a Dockerfile. Never fails: what is no instruction is none."""
    given = build_args or {}
    arguments: dict[str, str] = {}
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
            arguments[name.strip()] = given.get(name.strip(), default.strip().strip("\"'"))
    _close(stages, head, body, arguments)
    return Dockerfile(tuple(stages))


def _close(
    stages: list[Stage], head: Instruction | None, body: Sequence[Instruction], arguments: Mapping[str, str]
) -> None:
    if head is None:
        return
    words = head.arguments.split()
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

    return _VARIABLE.sub(value, text)


def _instructions(lines: Sequence[str]) -> Iterator[Instruction]:
    escape = "\\"
    number = 0
    while number < len(lines) and (directive := _DIRECTIVE.match(lines[number].strip())):
        if directive[1].lower() == "escape" and directive[2] in ("\\", "`"):
            escape = directive[2]
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
        end = _after_heredocs(text, lines, number)
        yield _instruction(text, (first + 1, end), " ".join(line.strip() for line in lines[number:end]))
        number = end


def _after_heredocs(text: str, lines: Sequence[str], number: int) -> int:
    """The line behind the bodies of an instruction's here-documents."""
    if text.partition(" ")[0].upper() not in ("RUN", "COPY", "ADD"):
        return number
    for dash, _, name in _HEREDOC.findall(text):
        end = number
        while end < len(lines) and (lines[end].lstrip("\t") if dash else lines[end]).rstrip("\r") != name:
            end += 1
        if end == len(lines):
            return number  # without its end it is none
        number = end + 1
    return number


def _instruction(text: str, lines: tuple[int, int], documents: str) -> Instruction:
    keyword, _, rest = text.partition(" ")
    rest = rest.strip()
    flags: list[tuple[str, str]] = []
    while match := _FLAG.match(rest):
        flags.append((match[1], match[2] or ""))
        rest = rest[match.end() :]
    return Instruction(keyword.upper(), rest, lines, tuple(flags), documents)
