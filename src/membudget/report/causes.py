"""What held a container's memory at one moment, program by program. The parts add up to its RSS."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from membudget.measure.probe.process_use import FileUse, ProcessUse, Snapshot

_INTERPRETER = re.compile(r"(python|pypy|ruby|perl|php|node|nodejs|deno|bun|bash|dash|sh|java|lua)[\d.]*")
_TITLE = re.compile(r"([\w./-]+): ")
"""How servers name their processes: "nginx: worker process", "postgres: checkpointer"."""
_JAVA_WITH_VALUE = {"-cp", "-classpath", "--class-path", "-p", "--module-path"}


@dataclass(frozen=True, slots=True)
class Program:
    """The processes of one program."""

    name: str
    """The name inside the container. It is untrusted, so callers must quote it."""
    count: int
    """The number of processes."""
    bytes: int
    """The anonymous and shared memory of all of them."""
    file_bytes: int | None
    """Their file-backed memory, which is not part of RSS. None if unknown."""
    known_as: tuple[str, ...] = ()
    """What their command lines call them, if they are grouped by process name. Untrusted as well."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The memory of a container at one moment. Programs and remainders add up to `whole_bytes`."""

    programs: tuple[Program, ...]
    """The programs whose processes were read, largest first."""
    others: Program | None
    """The smaller processes that were not read one by one. They have no name."""
    unmapped_bytes: int
    """Shared memory that no process maps: files in a tmpfs."""
    unseen_bytes: int
    """Anonymous memory that no process showed when it was read."""
    repeated_bytes: int
    """What the programs' figures count more than once. It has to be subtracted."""
    whole_bytes: int
    """The container's RSS."""
    files: tuple[FileUse, ...]
    """The files with the most memory, which is not part of RSS."""

    @property
    def file_bytes(self) -> int:
        """The file-backed memory of all programs, as far as it is known."""
        return sum(program.file_bytes or 0 for program in self.programs)


def without_command_line(*snapshots: Snapshot) -> frozenset[str]:
    """Return the process names whose command line is missing for at least one process."""
    return frozenset(one.name for snapshot in snapshots for one in snapshot.processes if not one.arguments)


def breakdown(snapshot: Snapshot, by_process_name: Collection[str] = frozenset()) -> Breakdown:
    """Return what the memory of a snapshot consisted of.

    Processes whose name is in `by_process_name` are grouped by it, although their command line may say more.
    """
    found = _programs(snapshot.processes, by_process_name)
    programs = tuple(sorted(found, key=lambda program: program.bytes, reverse=True))
    shmem_bytes = sum(process.shared_memory_bytes for process in snapshot.processes)
    anon_rest = snapshot.seen_bytes - snapshot.seen_shmem_bytes - snapshot.anonymous_bytes
    shmem_rest = snapshot.seen_shmem_bytes - shmem_bytes
    count = snapshot.process_count - len(snapshot.processes)
    return Breakdown(
        programs=programs,
        others=Program("", max(1, count), snapshot.others_anon_bytes, None) if snapshot.others_anon_bytes else None,
        unmapped_bytes=max(0, shmem_rest),
        unseen_bytes=max(0, anon_rest),
        repeated_bytes=max(0, -anon_rest) + max(0, -shmem_rest),
        whole_bytes=snapshot.seen_bytes,
        files=snapshot.files,
    )


def program_name(process: ProcessUse) -> str:
    """Return the usual name of a program. For an interpreter, that is the script or module that it runs."""
    if not process.arguments:
        return _process_name(process)
    first = process.arguments[0]
    if title := _TITLE.match(first):
        return PurePosixPath(title[1]).name
    # Some programs overwrite their arguments: "redis-server *:6379".
    own = PurePosixPath(first.split(" ")[0]).name or process.name
    if not _INTERPRETER.fullmatch(own):
        return own
    return _script(process.arguments[1:]) or own


def _process_name(process: ProcessUse) -> str:
    """Return the process's name without the rest of a title: "gunicorn: worke" is gunicorn."""
    title = _TITLE.match(process.name)
    return PurePosixPath(title[1]).name if title else process.name


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


def _programs(processes: Sequence[ProcessUse], by_process_name: Collection[str]) -> Iterator[Program]:
    groups: dict[str, list[ProcessUse]] = {}
    for process in processes:
        name = _process_name(process) if process.name in by_process_name else program_name(process)
        groups.setdefault(name, []).append(process)
    for name, group in groups.items():
        held = sum(process.unreclaimable_bytes for process in group)
        files = [process.file_backed_bytes for process in group if process.file_backed_bytes is not None]
        known_as = sorted({program_name(process) for process in group if process.arguments} - {name})
        yield Program(name, len(group), held, sum(files) if files else None, tuple(known_as))
