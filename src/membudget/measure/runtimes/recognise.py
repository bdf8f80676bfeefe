"""Recognises runtimes by the processes that were seen: by program and mapped libraries. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from membudget.measure.probe.process_use import Clues, ProcessUse, Snapshot
from membudget.measure.runtime_marks import by_library, by_program
from membudget.measure.runtimes.runtime import (
    FPM_CONFIG,
    MOST_RUNTIMES,
    MOST_WORKERS,
    Malloc,
    PreforkServer,
    Runtime,
    RuntimeKind,
)
from membudget.measure.trial import Trial

_MALLOCS = (
    (re.compile(r"/libjemalloc"), Malloc.JEMALLOC),
    (re.compile(r"/libtcmalloc"), Malloc.TCMALLOC),
    (re.compile(r"/libmimalloc"), Malloc.MIMALLOC),
    (re.compile(r"/(ld-musl|libc\.musl)"), Malloc.MUSL),
    (re.compile(r"/libc[.-]"), Malloc.GLIBC),
)
"""In the order in which they decide: a preloaded allocator stands before the C library's own."""
_RETURNING = (Malloc.JEMALLOC, Malloc.TCMALLOC)
"""The allocators that can be told to return freed memory."""
_CONFIGURED = re.compile(r"php-fpm: master process \((/[\w./+-]{1,200})\)\s*")
"""The title of PHP-FPM's first process names its configuration (sapi/fpm/fpm/fpm_env.c)."""
_CONNECTED = re.compile(r"postgres: .{1,200} (\[local\]|\S{1,50}\(\d{1,5}\))( |$)")
"""The title of a process of PostgreSQL that serves a connection names the client (src/backend/utils/init/miscinit.c,
src/backend/tcop/backend_startup.c).
"""
_MOST_IDLE_BYTES = 4 << 20
"""What a busy connection holds beyond that may be a sort. Idle ones were measured to hold 1.6 MiB."""
_HELPER = re.compile(r"from multiprocessing\.(?:resource_tracker|forkserver) import ")
"""The program of a process that Python's multiprocessing starts beside the workers (Lib/multiprocessing/
resource_tracker.py and forkserver.py).
"""
_SERVERS = {
    RuntimeKind.PYTHON: (PreforkServer.GUNICORN, PreforkServer.UVICORN),
    RuntimeKind.RUBY: (PreforkServer.PUMA, PreforkServer.UNICORN),
}


def runtimes_of(trials: Sequence[Trial]) -> tuple[Runtime, ...]:
    """Return the runtimes of the trials' largest look at the processes, the one with the most memory first.

    A look is preferred if it knows the memory map of its largest process, because only that tells a heap.
    """
    looks = [trial.snapshot for trial in trials if trial.snapshot is not None]
    best = max(looks, key=_worth, default=None)
    return tuple(_recognised(best))[:MOST_RUNTIMES] if best is not None else ()


def main_program(trials: Sequence[Trial]) -> tuple[RuntimeKind | None, str | None]:
    """Return what the processes run on that together held the most memory, and the path of their program.

    Both are None if that is not known.
    """
    groups = _programs(trials)
    return max(groups, key=lambda one: _held(groups[one]), default=(None, None))


def main_processes(trials: Sequence[Trial]) -> Sequence[ProcessUse]:
    """Return the processes of the main program. Empty if it is not known."""
    return _programs(trials).get(main_program(trials), ())


def _programs(trials: Sequence[Trial]) -> dict[tuple[RuntimeKind | None, str | None], list[ProcessUse]]:
    best = max((trial.snapshot for trial in trials if trial.snapshot is not None), key=_worth, default=None)
    groups: dict[tuple[RuntimeKind | None, str | None], list[ProcessUse]] = {}
    for process, kind in _with_kinds(best.processes if best is not None else ()):
        executable = process.clues.executable if process.clues is not None else None
        groups.setdefault((kind, executable), []).append(process)
    return groups


def _with_kinds(processes: Sequence[ProcessUse]) -> Iterator[tuple[ProcessUse, RuntimeKind | None]]:
    """Yield what each process runs on. One without a memory map runs on what others of the same program run on.

    The probe keeps no memory maps of small processes.
    """
    known: dict[str | None, RuntimeKind | None] = {}
    for process in processes:
        if process.clues is not None and process.clues.map is not None:
            known.setdefault(process.clues.executable, kind_of(process))
    for process in processes:
        clues = process.clues
        is_guessed = clues is not None and clues.map is None and clues.executable in known
        yield process, known[clues.executable] if clues is not None and is_guessed else kind_of(process)


def _worth(snapshot: Snapshot) -> tuple[bool, int]:
    largest = max(snapshot.processes, key=lambda one: one.unreclaimable_bytes, default=None)
    has_map = largest is not None and largest.clues is not None and largest.clues.map is not None
    return has_map, snapshot.seen_bytes


def _recognised(snapshot: Snapshot) -> Iterator[Runtime]:
    groups: dict[tuple[RuntimeKind, str], list[ProcessUse]] = {}
    for process, kind in _with_kinds(snapshot.processes):
        if kind is not None and process.clues is not None and process.clues.executable is not None:
            groups.setdefault((kind, process.clues.executable), []).append(process)
    whole = sum(map(_own, snapshot.processes))
    for (kind, executable), processes in sorted(groups.items(), key=lambda item: -_held(item[1])):
        largest = max(processes, key=_own)
        found = _runtime(kind, executable, processes, largest, max(0, whole - _own(largest)))
        # Each process that the look left out has anonymous memory.
        is_whole = not snapshot.others_anon_bytes
        yield replace(found, container_bytes=snapshot.seen_bytes, lists_all_processes=is_whole)


def _held(processes: Sequence[ProcessUse]) -> int:
    return sum(map(_own, processes))


def _own(process: ProcessUse) -> int:
    """Return what a process holds, by its last memory map if this look read none."""
    if process.held_anon_bytes is None and process.clues is not None and process.clues.map is not None:
        return process.clues.map.held_bytes
    return process.unreclaimable_bytes


def _runtime(
    kind: RuntimeKind, executable: str, processes: Sequence[ProcessUse], largest: ProcessUse, others_bytes: int
) -> Runtime:
    clues = largest.clues or Clues(executable)
    # Servers write titles over the command lines of the processes that they fork.
    told = next((one.clues for one in processes if one.clues is not None and one.clues.settings), clues)
    known = clues.map
    server = _server(kind, processes)
    workers = _workers(processes) if server is not None else None
    titles = (_CONFIGURED.fullmatch(_title(one)) for one in processes if kind is RuntimeKind.PHP_FPM)
    configured = next((f"{FPM_CONFIG}={title[1]}" for title in titles if title is not None), None)
    return Runtime(
        kind=kind,
        executable=executable,
        held_bytes=_own(largest),
        others_bytes=others_bytes,
        processes=len(processes),
        settings=(*told.settings, *((configured,) if configured is not None else ())),
        variables=dict(clues.variables),
        malloc=_malloc(clues),
        server=server,
        areas=known.areas if known is not None else (),
        has_map=known is not None,
        arenas=known.arenas if known is not None else 0,
        arena_bytes=known.arena_bytes if known is not None else 0,
        threads=clues.threads,
        workers=_connections(processes) if kind is RuntimeKind.POSTGRES else workers or (),
        counts_pages_once=workers is not None,
    )


def kind_of(process: ProcessUse) -> RuntimeKind | None:
    """Return what a process runs on. None if that is not known.

    Libraries decide where a memory map was read, because anything may call itself "java".
    """
    clues = process.clues
    if clues is None or clues.executable is None:
        return None
    program = PurePosixPath(clues.executable).name
    found = by_library(clues.map.libraries) if clues.map is not None else None
    found = found or by_program(program, believes_java=clues.map is None)
    if found is not None:
        return RuntimeKind(found)
    if clues.is_go:
        return RuntimeKind.GO
    has_allocator = clues.map is not None and (clues.map.arenas or _malloc(clues) in _RETURNING)
    return RuntimeKind.PROGRAM if has_allocator else None


def _malloc(clues: Clues) -> Malloc | None:
    libraries = clues.map.libraries if clues.map is not None else ()
    return next((malloc for pattern, malloc in _MALLOCS if any(pattern.search(path) for path in libraries)), None)


def _server(kind: RuntimeKind, processes: Sequence[ProcessUse]) -> PreforkServer | None:
    if kind is RuntimeKind.PHP_FPM:
        return PreforkServer.PHP_FPM
    # Modules of Apache bring runtimes into its processes: mod_wsgi maps libpython.
    if any(map(_is_apache, processes)):
        return PreforkServer.APACHE
    words = {_program_word(word) for process in processes for word in (process.name, *process.arguments)}
    return next((server for server in _SERVERS.get(kind, ()) if server.value in words), None)


def _is_apache(process: ProcessUse) -> bool:
    program = process.clues.executable if process.clues is not None else None
    return by_program(PurePosixPath(program or "").name, believes_java=False) == RuntimeKind.APACHE


def _program_word(word: str) -> str:
    """Return the program that a word of a command line names: "/usr/bin/gunicorn", "gunicorn: worker [app]"."""
    return PurePosixPath(re.split(r"[:\s]", word, maxsplit=1)[0]).name


def _title(process: ProcessUse) -> str:
    return " ".join(process.arguments)


def _connections(processes: Sequence[ProcessUse]) -> tuple[int, ...]:
    """Return what idle connections of PostgreSQL hold, or what busy ones hold at least without their sorts.

    The buffers, which all share, are not in it.
    """
    connected = [one for one in processes if _CONNECTED.match(_title(one))]
    idle = [one.anonymous_bytes for one in connected if _title(one).rstrip().endswith(" idle")]
    found = idle or [min(one.anonymous_bytes, _MOST_IDLE_BYTES) for one in connected]
    return tuple(sorted(found, reverse=True))[-MOST_WORKERS:]


def _workers(processes: Sequence[ProcessUse]) -> tuple[int, ...] | None:
    """Return what each worker holds: each process whose parent runs the same program, without Python's helpers.

    None if that is not known of all of them.
    """
    known = {process.pid: process for process in processes}
    forked = [
        (one, known.get(one.clues.parent))
        for one in processes
        if one.clues is not None and one.clues.parent and not any(map(_HELPER.match, one.arguments))
    ]
    sizes = _sizes([(one, parent) for one, parent in forked if parent is not None])
    return tuple(sorted(sizes, reverse=True))[:MOST_WORKERS] if sizes is not None else None


def _sizes(workers: Sequence[tuple[ProcessUse, ProcessUse]]) -> list[int] | None:
    """Return what workers hold without what they share, given with their parents. None if that is not known."""
    if all(one.held_anon_bytes is not None for one, _ in workers):
        return [one.unreclaimable_bytes for one, _ in workers]
    last = [one.clues.map.held_bytes if one.clues is not None and one.clues.map is not None else None
            for one, _ in workers]  # fmt: skip
    now = [one.anon_bytes for one, _ in workers if one.anon_bytes is not None]
    parents = [parent.anon_bytes for _, parent in workers if parent.anon_bytes is not None]
    if len(now) < len(workers) or not parents:
        kept = [held for held in last if held is not None]
        return kept if len(kept) == len(last) else None
    # Near the limit, no memory map is read, and the last one may be from before a worker grew. But a worker shares no
    # more pages with its parent than its parent has, and no more than it had beside its own.
    shared = min([*parents, *(max(0, anon - held) for anon, held in zip(now, last, strict=True) if held is not None)])
    return [max(0, anon - shared) for anon in now]
