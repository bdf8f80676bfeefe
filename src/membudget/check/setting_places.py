"""Finds the line where a setting of a runtime is written: in the budgets, a compose file, a manifest, a Dockerfile.

A file sets a variable or the words of a command. What stands before another when the container starts stands before it
here as well.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from membudget.build.revision import Recipe
from membudget.contents.dockerfile import Instruction, parse_dockerfile
from membudget.measure.runtimes.runtime import MOST_PLACES, Runtime, SettingPlace

_SETTINGS = (
    "-XX:MaxRAMPercentage", "-Xmx", "-Xms", "-XX:InitialHeapSize", "-XX:MaxDirectMemorySize", "--max-old-space-size",
    "--workers", "-w", "worker_processes", "ServerLimit", "GOMEMLIMIT",
    "MALLOC_ARENA_MAX", "MALLOC_CONF", "TCMALLOC_RELEASE_RATE", "DOTNET_GCHeapHardLimit", "WEB_CONCURRENCY",
    "JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "maxmemory", "work_mem", "max_connections", "pm.max_children",
)  # fmt: skip
"""What findings suggest to set."""
_STARTS = ("CMD", "ENTRYPOINT")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WrittenSetting:
    """A value of a file of the repository, which sets a variable or words of a command."""

    path: str
    line: int
    """Its first line."""
    lines: tuple[str, ...]
    """The text of its lines."""
    variable: str | None = None
    """The variable that it sets. None for words of a command."""

    def line_of(self, setting: str) -> int | None:
        """Return the line that has a setting as a whole word, or that sets the variable of that name."""
        assigned = _ASSIGNED.fullmatch(setting)
        if self.variable is not None and self.variable in (setting, assigned[1] if assigned is not None else None):
            return self.line
        return line_with(setting, self.lines, self.line)


@dataclass(frozen=True, slots=True)
class WrittenSettings:
    """All that files set for a container."""

    values: Sequence[WrittenSetting] = ()
    """What stands before others comes first."""
    start: tuple[str, int] | None = None
    """Where a compose file or a manifest starts the program: a path and a line. None if the image does."""
    loose: Sequence[WrittenSetting] = ()
    """Lines of files that a program renders. One that alone has a setting is where the setting comes from."""

    def place_of(self, setting: str) -> tuple[str, int] | None:
        """Return the path and the line of a setting. None if it is not found, or may be at several places."""
        for one in self.values:
            if (line := one.line_of(setting)) is not None:
                return one.path, line
        found = {(one.path, line) for one in self.loose if (line := one.line_of(setting)) is not None}
        return found.pop() if len(found) == 1 else None


def setting_places(runtime: Runtime, written: WrittenSettings, recipe: Recipe | None) -> dict[str, SettingPlace]:
    """Return where what the runtime has is set, and where the program is started (""), by setting."""
    return dict(_places(runtime, written, recipe))


def _places(runtime: Runtime, written: WrittenSettings, recipe: Recipe | None) -> Iterator[tuple[str, SettingPlace]]:
    words = {word for value in runtime.variables.values() for word in value.split()} | set(runtime.settings)
    known = [*sorted(words), *(f"{name}={value}" for name, value in sorted(runtime.variables.items()))]
    made_by = _Dockerfile.of(recipe) if recipe is not None else None
    count = 0
    for setting in dict.fromkeys([*known, *_SETTINGS]):
        place = written.place_of(setting) or (made_by.place_of(setting) if made_by is not None else None)
        if place is not None and count < MOST_PLACES - 1:
            count += 1
            yield setting[:300], SettingPlace(place[0][:1000], place[1], is_exact=True)
    start = written.start or (made_by.start if made_by is not None else None)
    if start is not None:
        yield "", SettingPlace(start[0][:1000], start[1], is_exact=False)


@dataclass(frozen=True, slots=True)
class _Dockerfile:
    path: str
    instructions: Sequence[Instruction]
    """Those of the image's stages, in the order in which they run."""
    lines: Sequence[str]

    @classmethod
    def of(cls, recipe: Recipe) -> "_Dockerfile":
        dockerfile = parse_dockerfile(recipe.text, recipe.arguments)
        instructions = [one for stage in dockerfile.stage_chain(recipe.target) for one in stage.instructions]
        return cls(recipe.path, instructions, recipe.text.split("\n"))

    @property
    def start(self) -> tuple[str, int] | None:
        last = next((one for one in reversed(self.instructions) if one.keyword in _STARTS), None)
        return (self.path, last.lines[0]) if last is not None else None

    def place_of(self, setting: str) -> tuple[str, int] | None:
        for one in reversed(self.instructions):
            if one.keyword in {*_STARTS, "ENV"}:
                first, last = one.lines
                line = line_with(setting, self.lines[first - 1 : last], first)
                if line is not None:
                    return self.path, line
        return None


def line_with(setting: str, lines: Sequence[str], first: int) -> int | None:
    """Return the number of the line that has a setting as a whole word. None if none has it."""
    before = r"(?<![\w-])" if setting.startswith("-") else r"(?<![\w.])"
    whole = re.compile(rf"{before}{re.escape(setting)}(?![\w.-])")
    return next((number for number, line in enumerate(lines, first) if whole.search(line)), None)
