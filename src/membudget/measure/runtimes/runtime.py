"""A runtime as it was seen near the peak, and what it said of itself: facts for report.json. Bounded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from membudget.core.files import Stored
from membudget.measure.probe.process_use import Area

MOST_RUNTIMES = 10
MOST_WORKERS = 40
MOST_PLACES = 30
LONGEST_REASON = 300
FPM_CONFIG = "--fpm-config"
"""The setting of PHP-FPM that names its configuration."""
_OVERRIDE, _OVERRIDDEN = "_JAVA_OPTIONS", ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS")
"""HotSpot reads JAVA_TOOL_OPTIONS, the command line and then _JAVA_OPTIONS, and the last word counts
(src/hotspot/share/runtime/arguments.cpp, Arguments::parse). The launcher puts JDK_JAVA_OPTIONS before the command line
(src/java.base/share/native/libjli/args.c).
"""
_MOST_BYTES = 1 << 62

_Word = Annotated[str, Field(max_length=300)]
_Path = Annotated[str, Field(max_length=1000)]
_Bytes = Annotated[int, Field(ge=0, le=_MOST_BYTES)]
_Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class RuntimeKind(StrEnum):
    """What a process runs on, or the server that it is."""

    JVM = "jvm"
    NODE = "node"
    PYTHON = "python"
    GO = "go"
    DOTNET = "dotnet"
    RUBY = "ruby"
    PHP_FPM = "php_fpm"
    ERLANG = "erlang"
    NGINX = "nginx"
    APACHE = "apache"
    POSTGRES = "postgres"
    REDIS = "redis"
    PROGRAM = "program"
    """Another program, whose allocator has arenas of its own for threads."""


class PreforkServer(StrEnum):
    """A server that forks workers in advance."""

    GUNICORN = "gunicorn"
    UVICORN = "uvicorn"
    PUMA = "puma"
    UNICORN = "unicorn"
    PHP_FPM = "php-fpm"
    APACHE = "apache"


class Malloc(StrEnum):
    """The allocator that a process uses."""

    GLIBC = "glibc"
    MUSL = "musl"
    JEMALLOC = "jemalloc"
    TCMALLOC = "tcmalloc"
    MIMALLOC = "mimalloc"


@dataclass(frozen=True, slots=True)
class Connections(Stored):
    """What a database takes for its connections (PostgreSQL), or PHP-FPM for its children."""

    shared_bytes: _Bytes
    """For all of them together: shared_buffers. 0 for PHP-FPM."""
    each_bytes: _Bytes
    """For each of them: work_mem, which a query with several sorts takes several times, or memory_limit."""
    most: _Count
    """How many there may be: max_connections, or pm.max_children of all pools."""


@dataclass(frozen=True, slots=True)
class RuntimeAnswer(Stored):
    """What a runtime said of itself in the same image, environment and limit, without the service."""

    version: _Word | None = None
    """Text from outside."""
    ceiling_bytes: _Bytes | None = None
    """The most that it lets its heap grow to. None if nothing limits it (Redis without maxmemory)."""
    initial_bytes: _Bytes | None = None
    """What its heap begins with (JVM)."""
    heap_start: _Bytes | None = None
    """The address of its heap, of `ceiling_bytes` bytes. None if the heap does not lie in one piece."""
    idle_beside_bytes: _Bytes | None = None
    """The anonymous memory beside the heap of the idle runtime."""
    sees_limit: bool | None = None
    """Whether it sizes itself by the container's limit. None if it does not say."""
    connections: Connections | None = None
    """What `ceiling_bytes` is the sum of. None for runtimes without connections."""
    direct_bytes: _Bytes | None = None
    """The most that direct buffers may take beside the heap (JVM). None if no setting says it."""


@dataclass(frozen=True, slots=True)
class Returned(Stored):
    """What came of a trial with a setting that makes the allocator return freed memory. Nothing else was changed."""

    setting: _Word
    """The variable with its value."""
    settled_bytes: _Bytes
    """The smallest settled RSS of the judged trials."""
    with_setting_bytes: _Bytes
    """The largest settled RSS with the setting."""


@dataclass(frozen=True, slots=True)
class SettingPlace(Stored):
    """A line of the repository where a setting is written, or where it may be."""

    path: _Path
    line: Annotated[int, Field(ge=1)]
    is_exact: bool
    """Whether the setting is written there. Otherwise the line starts the program, or sets other variables."""


@dataclass(frozen=True, slots=True)
class Runtime(Stored):
    """A runtime that was seen in the head's trials, with the largest of its processes."""

    kind: RuntimeKind
    executable: _Path
    """The path of its program in the container. It is text from outside."""
    held_bytes: _Bytes
    """The process's anonymous and shared memory when its memory map was read, or at the look."""
    others_bytes: _Bytes
    """The anonymous and shared memory of the container's other processes."""
    processes: _Count = 1
    """How many processes run the same program."""
    settings: Annotated[tuple[_Word, ...], Field(max_length=40)] = ()
    """The words of the command line that set memory."""
    variables: Annotated[dict[_Word, _Word], Field(max_length=40)] = field(default_factory=dict)
    """The variables that set memory."""
    malloc: Malloc | None = None
    """None if no memory map tells it."""
    server: PreforkServer | None = None
    areas: Annotated[tuple[Area, ...], Field(max_length=20)] = ()
    """The largest anonymous mappings."""
    has_map: bool = False
    """Whether a memory map was read."""
    arenas: _Count = 0
    arena_bytes: _Bytes = 0
    threads: _Count | None = None
    workers: Annotated[tuple[_Bytes, ...], Field(max_length=MOST_WORKERS)] = ()
    """The anonymous and shared memory of each worker that a server forked. For
    PostgreSQL: the anonymous memory of each idle connection. If none is idle: of each busy one, up to 4 MiB, because
    more may be a sort.
    """
    counts_pages_once: bool = False
    """Whether a page that several workers share counts once in `workers`. Otherwise, it counts in each of them."""
    returned: Returned | None = None
    """None if no setting was tried, or if it changed nothing."""
    container_bytes: _Bytes | None = None
    """RSS of the container at that look, in which each page counts once. None in older reports."""
    lists_all_processes: bool = True
    """Whether that look listed all processes of the container. Otherwise, `workers` may be without some workers."""
    answer: RuntimeAnswer | None = None
    unanswered: Annotated[str, Field(max_length=LONGEST_REASON)] | None = None
    """Why it was not asked, or gave no answer. None if it answered, or if there is nothing to ask."""
    places: Annotated[dict[_Word, SettingPlace], Field(max_length=MOST_PLACES)] = field(default_factory=dict)
    """Where settings are written, by the beginning of the setting. "" is where the program is started."""

    @property
    def has_all_workers(self) -> bool:
        """Whether `workers` is certain to have each worker, so that the rest of the container holds none."""
        return self.lists_all_processes and len(self.workers) < MOST_WORKERS

    @property
    def heap_bytes(self) -> int | None:
        """The resident memory of its heap. None if it is not known."""
        answer = self.answer
        if not self.has_map or answer is None or answer.heap_start is None or answer.ceiling_bytes is None:
            return None
        first, last = answer.heap_start, answer.heap_start + answer.ceiling_bytes
        return sum(area.rss_bytes for area in self.areas if first <= area.start < last)

    @property
    def beside_bytes(self) -> int | None:
        """What the container holds beside the runtime's heap, at least. None if that is not known."""
        if self.answer is None or self.answer.ceiling_bytes is None:
            return None
        heap = self.heap_bytes
        if heap is not None:
            return max(0, self.held_bytes - heap) + self.others_bytes
        # Without a memory map, what a JVM holds may count pages of its heap several times: ZGC maps it three times.
        is_bound = self.kind is RuntimeKind.DOTNET or (self.kind is RuntimeKind.JVM and self.has_map)
        if self.answer.idle_beside_bytes is None and not is_bound:
            return None
        return max(self.answer.idle_beside_bytes or 0, self.held_bytes - self.answer.ceiling_bytes) + self.others_bytes

    @property
    def at_most_beside_bytes(self) -> int:
        """What the container holds beside the runtime's heap, at most: all of it, if the heap's part is not known."""
        is_known = self.heap_bytes is not None or self.kind is RuntimeKind.NODE
        beside = self.beside_bytes if is_known else None
        return beside if beside is not None else self.held_bytes + self.others_bytes

    def setting(self, *beginnings: str) -> str | None:
        """Return the word that sets something. If several words do, it is the one that the runtime obeys."""
        words = (
            word
            for source in (self.variables.get(_OVERRIDE, "").split(), self.settings, *self._earlier)
            for word in reversed(source)
        )
        return next((word for word in words if word.startswith(beginnings)), None)

    @property
    def _earlier(self) -> Iterator[list[str]]:
        """The words of the variables that the command line overrides, the last variable first."""
        names = (*_OVERRIDDEN, *(name for name in self.variables if name not in (_OVERRIDE, *_OVERRIDDEN)))
        return (self.variables.get(name, "").split() for name in names)
