"""Finds the line of the Dockerfile that created each layer, and the base image."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from membudget.contents.dockerfile import Dockerfile, Instruction
from membudget.contents.image import HistoryEntry, ImageConfig
from membudget.contents.likeness import likeness, words_of

if TYPE_CHECKING:  # its models are built on import, which most commands never need
    from membudget.contents.provenance import Provenance

_MOST_ALIGNED = 400
"""The most steps to align. Of a longer history, only the end is aligned, where the Dockerfile's own steps are."""
_LONGEST_INSTRUCTION = 300
_SKIP_COST = 1.0
_MISMATCHES = 0.3
"""Below this similarity of their arguments, two steps with the same keyword differ."""
_NOP = re.compile(r"^/bin/sh -c #\(nop\)\s*")
_BUILD_ARGUMENTS = re.compile(r"^\|(\d+) ")
_SHELL = re.compile(r"^(?:/\S+|cmd|powershell)(?: -\S+(?: pipefail)?)* -\w*c ")
_KEYWORDS = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"}
    | {"ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)


class OriginSource(StrEnum):
    """Where the origin is known from."""

    PROVENANCE = "provenance"
    """BuildKit's own record of the build."""
    HISTORY = "history"
    """The image's history, aligned with the Dockerfile if there is one."""


@dataclass(frozen=True, slots=True)
class LayerOrigin:
    """The origin of a layer."""

    instruction: str
    """The instruction on one line, for people: "RUN pip install pandas". It is empty if unknown."""
    is_inherited: bool | None
    """Whether the layer is from the base image. None if unknown."""
    dockerfile_lines: tuple[int, int] | None = None
    """The first and the last line."""
    source: OriginSource = OriginSource.HISTORY
    from_stage: str | None = None
    """The value of `COPY --from=`: the name or number of a stage, or an image."""
    stage_lines: tuple[int, int] | None = None
    """The lines of that stage, if it is in the Dockerfile."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A history entry, in the words of a Dockerfile."""

    keyword: str
    arguments: str
    is_empty: bool
    words: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", words_of(self.arguments))

    @property
    def target(self) -> str:
        """Return the target of COPY or ADD."""
        return self.arguments.split(" in ")[-1].strip()

    @property
    def instruction(self) -> str:
        return f"{self.keyword} {self.arguments}".strip()[:_LONGEST_INSTRUCTION]


@dataclass(frozen=True, slots=True)
class _Written:
    """An instruction, in the words of the history."""

    keyword: str
    text: str
    """The arguments on one line. The history contains the text of a here-document in their place."""
    words: frozenset[str]

    @classmethod
    def of(cls, instruction: Instruction) -> "_Written":
        text = " ".join((instruction.documents or instruction.arguments).split())
        return cls(instruction.keyword, text, words_of(text))

    @property
    def target(self) -> str:
        """Return the target of COPY or ADD."""
        return self.text.rpartition(" ")[2]


def layer_origins(
    config: ImageConfig,
    dockerfile: Dockerfile | None = None,
    target: str | None = None,
    provenance: "Provenance | None" = None,
    inherited: int | None = None,
) -> tuple[LayerOrigin, ...]:
    """Return the origin of each layer of an image, lowest first.

    `inherited` is the number of layers of the base image, if known. If the history does not tell layers from settings,
    no instructions are returned (imported images have no history; moby/buildkit#2551).
    """
    steps = [_step(entry) for entry in config.history]
    count = len(config.diff_ids)
    if sum(not step.is_empty for step in steps) != count:
        return tuple(LayerOrigin("", number < inherited if inherited is not None else None) for number in range(count))
    chain = dockerfile.stage_chain(target) if dockerfile is not None else ()
    written = [instruction for stage in chain for instruction in stage.instructions if instruction.makes_history]
    matched = _aligned(steps, written)
    first_own = min((number for number, one in enumerate(matched) if one is not None), default=None)
    if first_own is None and chain and chain[0].is_scratch:
        first_own = 0
    origins: list[LayerOrigin] = []
    for number, (step, instruction) in enumerate(zip(steps, matched, strict=True)):
        if step.is_empty:
            continue
        if inherited is not None:
            is_inherited: bool | None = len(origins) < inherited
        elif first_own is None:
            is_inherited = None
        else:
            is_inherited = number < first_own and not chain[0].is_scratch
        origins.append(_origin(step, instruction, dockerfile, is_inherited=is_inherited))
    return _with_provenance(origins, dockerfile, provenance)


def _origin(
    step: _Step, instruction: Instruction | None, dockerfile: Dockerfile | None, *, is_inherited: bool | None
) -> LayerOrigin:
    if instruction is None:
        return LayerOrigin(step.instruction, is_inherited)
    from_stage = instruction.flag("from")
    stage = dockerfile.stage(from_stage) if dockerfile is not None and from_stage is not None else None
    shown = step.instruction
    if from_stage is not None:
        shown = f"{step.keyword} --from={from_stage} {step.arguments}"[:_LONGEST_INSTRUCTION]
    return LayerOrigin(
        shown, is_inherited, instruction.lines, OriginSource.HISTORY, from_stage, stage.lines if stage else None
    )


def _with_provenance(
    origins: Sequence[LayerOrigin], dockerfile: Dockerfile | None, provenance: "Provenance | None"
) -> tuple[LayerOrigin, ...]:
    """Return origins with the lines that BuildKit recorded, which are right even if the history was aligned wrongly."""
    if provenance is None or dockerfile is None:
        return tuple(origins)
    lines = provenance.layer_lines(len(origins))
    begins = {stage.lines[0] for stage in dockerfile.stages}
    # The chain of a FROM ends with the last layer of the base image.
    inherited = max((number for number, found in enumerate(lines) if found and found[0] in begins), default=-1)
    by_lines = {instruction.lines[0]: instruction for stage in dockerfile.stages for instruction in stage.instructions}
    told: list[LayerOrigin] = []
    for number, (origin, found) in enumerate(zip(origins, lines, strict=True)):
        if number <= inherited:
            told.append(LayerOrigin(origin.instruction, True, source=OriginSource.PROVENANCE))
            continue
        if found is None:
            told.append(origin)
            continue
        instruction = by_lines.get(found[0])
        from_stage = instruction.flag("from") if instruction is not None else None
        stage = dockerfile.stage(from_stage) if from_stage is not None else None
        told.append(
            LayerOrigin(
                origin.instruction,
                False,
                instruction.lines if instruction is not None else found,
                OriginSource.PROVENANCE,
                from_stage,
                stage.lines if stage else None,
            )
        )
    return tuple(told)


def _step(entry: HistoryEntry) -> _Step:
    """Return the step of a history entry, as written by BuildKit or by the classic builder."""
    text = " ".join(entry.created_by.removesuffix("# buildkit").split())
    nop = _NOP.sub("", text)
    keyword, _, rest = nop.partition(" ")
    if keyword in _KEYWORDS and (nop != text or keyword != "RUN"):
        return _Step(keyword, rest.strip(), entry.is_empty)
    if not text:
        return _Step("", "", entry.is_empty)
    text = text.removeprefix("RUN ")
    arguments = _BUILD_ARGUMENTS.match(text)
    # "|2 A=1 B=2 /bin/sh -c ...": a value may contain spaces, and the path of the shell follows
    if arguments is not None:
        shell = re.search(r" (/\S*sh(?: -\S+(?: pipefail)?)* -\w*c .*)", text)
        text = shell[1] if shell is not None else text
    return _Step("RUN", _SHELL.sub("", text), entry.is_empty)


def _aligned(steps: Sequence[_Step], written: Sequence[Instruction]) -> list[Instruction | None]:
    """Return the instruction of each step. They are aligned from the end, where the Dockerfile's own steps are.

    Needleman-Wunsch with free gaps at the beginning, because the steps of the base image have no instructions.
    """
    found: list[Instruction | None] = [None] * len(steps)
    offset = max(len(steps) - _MOST_ALIGNED, 0)
    steps, written = steps[offset:], written[-_MOST_ALIGNED:]
    rows, columns = len(steps), len(written)
    in_words = [_Written.of(instruction) for instruction in written]
    alike_by = [[_likeness(step, one) for one in in_words] for step in steps]
    scores = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for column in range(columns - 1, -1, -1):
        scores[rows][column] = scores[rows][column + 1] - _SKIP_COST
    for row in range(rows - 1, -1, -1):
        scores[row][columns] = scores[row + 1][columns] - _SKIP_COST
        for column in range(columns - 1, -1, -1):
            skip = max(scores[row + 1][column], scores[row][column + 1]) - _SKIP_COST
            scores[row][column] = max(skip, scores[row + 1][column + 1] + alike_by[row][column])
    row = max(range(rows + 1), key=lambda start: (scores[start][0], start)) if columns else rows
    column = 0
    while row < rows and column < columns:
        here, alike = scores[row][column], alike_by[row][column]
        if here == scores[row + 1][column + 1] + alike and alike > 0:
            found[offset + row] = written[column]
            row, column = row + 1, column + 1
        elif here == scores[row][column + 1] - _SKIP_COST:
            column += 1
        else:
            row += 1
    return found


def _likeness(step: _Step, instruction: _Written) -> float:
    if step.keyword != instruction.keyword:
        return -5.0
    if step.arguments == instruction.text:
        return 3.0
    if step.keyword in ("COPY", "ADD") and step.target == instruction.target:
        return 2.0  # the classic builder names sources by digest: "COPY dir:3f2a in /app"
    alike = likeness(step.words, instruction.words)
    if alike < _MISMATCHES:
        return -5.0 if "$" not in instruction.text else 0.5
    return 2.0 * alike


_BASE_LABEL = "org.opencontainers.image.base.name"
_REFERENCE = re.compile(r"(?P<name>[^\s@]+?)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?", re.ASCII)
_CODENAME = re.compile(r"(?:(?P<version>.+)-)?(?P<suite>buster|bullseye|bookworm|trixie|forky|stable|jammy|noble)")
_SMALL = re.compile(r"(?:^|-)(?:slim|alpine|jre|distroless|nonroot|scratch|busybox|minimal|micro)")
_SOURCES_OF_SLIM = ("latest", "stable", "lts", "current")


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The image that an image is built FROM."""

    reference: str
    dockerfile_line: int | None
    """The line of its FROM."""


@dataclass(frozen=True, slots=True)
class BaseVariant:
    """A smaller image that could replace a base image."""

    of: BaseImage
    reference: str
    file_bytes: int
    """The variant's `image_size`."""


def base_of(config: ImageConfig, dockerfile: Dockerfile | None, target: str | None) -> BaseImage | None:
    """Return the base image, from the Dockerfile or else from a label. None if unknown."""
    chain = dockerfile.stage_chain(target) if dockerfile is not None else ()
    reference, line = (chain[0].base, chain[0].lines[0]) if chain else (config.labels.get(_BASE_LABEL, ""), None)
    return BaseImage(reference, line) if reference not in ("", "scratch") and "$" not in reference else None


def variants(reference: str) -> tuple[str, ...]:
    """Return possible references of smaller variants of an image, most likely first. They may not exist.

    `python:3.12-bookworm` has `python:3.12-slim-bookworm`, `node:22` has `node:22-slim`, `eclipse-temurin:21-jdk` has
    `eclipse-temurin:21-jre`. Variants with another C library are not included, because programs may not run on them.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return ()
    name, tag = match["name"], match["tag"] or "latest"
    if _SMALL.search(tag):
        return ()
    if re.search(r"-jdk(?=-|$)", tag):
        return (f"{name}:{re.sub(r'-jdk(?=-|$)', '-jre', tag)}",)
    if name.endswith("/dotnet/sdk"):
        return tuple(f"{name.removesuffix('sdk')}{kind}:{tag}" for kind in ("aspnet", "runtime"))
    suite = _CODENAME.fullmatch(tag)
    if suite is not None and suite["version"]:
        return (f"{name}:{suite['version']}-slim-{suite['suite']}", f"{name}:{tag}-slim")
    return (f"{name}:{tag}-slim", *((f"{name}:slim",) if tag in _SOURCES_OF_SLIM else ()))
