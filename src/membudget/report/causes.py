"""The largest causes of a container's memory."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from membudget.core.quantities import format_size
from membudget.measure.probe.messages import ProcessUse, Snapshot

_SMALLEST_SHARE = 0.05
_INTERPRETER = re.compile(r"(python|pypy|ruby|perl|php|node|nodejs|deno|bun|bash|dash|sh|java|lua)[\d.]*")
_TITLE = re.compile(r"([\w./-]+): ")
"""How servers name their processes: "nginx: worker process", "postgres: checkpointer"."""
_JAVA_WITH_VALUE = {"-cp", "-classpath", "--class-path", "-p", "--module-path"}


@dataclass(frozen=True, slots=True)
class Cause:
    """The processes of one program, or a mapped file."""

    count: int
    """The number of processes. 1 for a file."""
    name: str
    """The name inside the container. It is untrusted, so callers must quote it."""
    words: str
    """The size in words, such as "40.0 MiB each"."""
    bytes: int


def causes(snapshot: Snapshot, most: int = 3) -> tuple[Cause, ...]:
    """Return the largest causes in a snapshot, largest first. Each is at least five percent of the whole."""
    found = sorted([*_programs(snapshot.processes), *_files(snapshot)], key=lambda cause: cause.bytes, reverse=True)
    whole = snapshot.summed_pss_bytes or snapshot.summed_rss_bytes
    return tuple(cause for cause in found if cause.bytes >= _SMALLEST_SHARE * whole)[:most]


def program_name(process: ProcessUse) -> str:
    """Return the usual name of a program. For an interpreter, that is the script or module that it runs."""
    if not process.arguments:
        return process.name
    first = process.arguments[0]
    if title := _TITLE.match(first):
        return PurePosixPath(title[1]).name
    # Some programs overwrite their arguments: "redis-server *:6379".
    own = PurePosixPath(first.split(" ")[0]).name or process.name
    if not _INTERPRETER.fullmatch(own):
        return own
    return _script(process.arguments[1:]) or own


def _script(arguments: Sequence[str]) -> str | None:
    """Return the script or module that an interpreter runs. None if its arguments do not name one."""
    skip = False
    for number, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument in ("-m", "-jar"):
            return PurePosixPath(arguments[number + 1]).name if number + 1 < len(arguments) else None
        elif argument in ("-c", "-e"):
            return None
        elif argument in _JAVA_WITH_VALUE:
            skip = True
        elif not argument.startswith("-"):
            return PurePosixPath(argument).name or None
    return None


def _programs(processes: Sequence[ProcessUse]) -> Iterator[Cause]:
    groups: dict[str, list[ProcessUse]] = {}
    for process in processes:
        groups.setdefault(program_name(process), []).append(process)
    for name, group in groups.items():
        yield _program(name, group)


def _program(name: str, group: Sequence[ProcessUse]) -> Cause:
    """Return the processes of one program as a cause. Memory that they share counts once if PSS could be read."""
    count = len(group)
    rss = sum(process.rss_bytes for process in group) // count
    pss = [process.pss_bytes for process in group if process.pss_bytes is not None]
    shared = [process.shared_bytes for process in group if process.shared_bytes is not None]
    each = " each" if count > 1 else ""
    words = f"{format_size(rss)}{each}"
    if len(pss) < count:
        doubt = ", pages that they share counted more than once" if count > 1 else ""
        own = [process.unreclaimable_bytes for process in group if process.unreclaimable_bytes is not None]
        if len(own) < count:
            return Cause(count, name, f"{words}{doubt}", rss * count)
        return Cause(count, name, f"{format_size(sum(own) // count)}{each} anonymous and shared{doubt}", sum(own))
    if count > 1:
        words += f", of which {format_size(sum(shared) // count)} shared"
    return Cause(count, name, words, sum(pss))


def _files(snapshot: Snapshot) -> Iterator[Cause]:
    for file in snapshot.files:
        name = PurePosixPath(file.path).name or file.path
        yield Cause(1, name, f"{format_size(file.pss_bytes)} file-backed", file.pss_bytes)
