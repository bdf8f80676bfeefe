"""Runtimes as they are seen and as they answer, and what is found in a line of a Dockerfile."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from membudget.budgets.runtimes import RuntimeRule
from membudget.core.quantities import GIB, MIB
from membudget.judge.runtime_finding import RuntimeFinding
from membudget.judge.runtimes import judge_runtimes
from membudget.measure.probe.clues import kept_variables
from membudget.measure.probe.process_use import Area, Clues, MapClues, ProcessUse
from membudget.measure.runtimes.runtime import (
    Connections,
    Malloc,
    PreforkServer,
    Returned,
    Runtime,
    RuntimeAnswer,
    RuntimeKind,
)
from tests.support import builders

LIMIT_MIB = 256
HEAP_START = 0xF0000000
_JAVA, _NODE, _GO = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "/usr/bin/node", "/shop"


def clues(
    executable: str | None,
    *libraries: str,
    settings: tuple[str, ...] = (),
    variables: dict[str, str] | None = None,
    areas: tuple[Area, ...] = (),
    held: float = 90,
    parent: int | None = None,
    has_map: bool = True,
) -> Clues:
    """What a process that holds `held` MiB shows of itself."""
    known = MapClues(round(held * MIB), libraries, areas) if has_map else None
    return Clues(executable, settings=settings, variables=variables or {}, threads=20, parent=parent, map=known)


def process(found: Clues, *, rss: float = 90, pid: int = 100, arguments: tuple[str, ...] = ()) -> ProcessUse:
    """A process that holds `rss` MiB, with its clues."""
    return replace(builders.process(*arguments, rss=rss, pss=rss, pid=pid), clues=found)


def jvm(ceiling: float = 64, *, beside: float = 60, heap: float = 30, initial: float = 4, sees_limit: bool = True,
        settings: tuple[str, ...] = (), variables: dict[str, str] | None = None) -> Runtime:  # fmt: skip
    """A JVM whose heap may take `ceiling` MiB, of which `heap` hold memory, with `beside` MiB beside it."""
    answer = RuntimeAnswer("17.0.19", round(ceiling * MIB), round(initial * MIB), HEAP_START, None, sees_limit)
    areas = (Area(HEAP_START, round(ceiling * MIB), round(heap * MIB)), Area(1 << 46, 40 * MIB, 40 * MIB))
    return Runtime(RuntimeKind.JVM, _JAVA, round((heap + beside) * MIB), 0, settings=settings,
                   variables=variables or {}, areas=areas, has_map=True, answer=answer)  # fmt: skip


def node(ceiling: float, *, idle: float = 10, held: float = 60, settings: tuple[str, ...] = (),
         variables: dict[str, str] | None = None) -> Runtime:  # fmt: skip
    """A Node.js whose heap may take `ceiling` MiB. An idle one has `idle` MiB beside its heap."""
    answer = RuntimeAnswer("v18.20.4", round(ceiling * MIB), idle_beside_bytes=round(idle * MIB))
    return Runtime(RuntimeKind.NODE, _NODE, round(held * MIB), 0, settings=settings, variables=variables or {},
                   has_map=True, answer=answer)  # fmt: skip


def go(limit: str | None = None, *, others: float = 0) -> Runtime:
    """A Go program with a GOMEMLIMIT, beside which other processes hold `others` MiB."""
    variables = {"GOMEMLIMIT": limit} if limit is not None else {}
    return Runtime(RuntimeKind.GO, _GO, 200 * MIB, round(others * MIB), variables=variables, has_map=True)


def redis(maxmemory: float | None = None) -> Runtime:
    """A Redis with a maxmemory in MiB, or without one."""
    answer = RuntimeAnswer(ceiling_bytes=round(maxmemory * MIB) if maxmemory is not None else None)
    return Runtime(RuntimeKind.REDIS, "/usr/bin/redis-server", 30 * MIB, 0, has_map=True, answer=answer)


def postgres(shared: float, work: float, connections: int, idle: Sequence[float] = ()) -> Runtime:
    """A PostgreSQL with its settings and idle connections in MiB."""
    of = Connections(round(shared * MIB), round(work * MIB), connections)
    answer = RuntimeAnswer(ceiling_bytes=of.shared_bytes + of.most * of.each_bytes, connections=of)
    return Runtime(
        RuntimeKind.POSTGRES, "/usr/lib/postgresql/15/bin/postgres", 30 * MIB, 0, has_map=True, answer=answer,
        workers=tuple(round(size * MIB) for size in idle),
    )  # fmt: skip


def workers(
    *sizes: float, rest: float = 20, server: PreforkServer = PreforkServer.GUNICORN, exact: bool = True
) -> Runtime:
    """A server whose workers hold `sizes` MiB, beside `rest` MiB."""
    held = tuple(round(size * MIB) for size in sizes)
    return Runtime(
        RuntimeKind.PYTHON, "/usr/bin/python3", held[0], sum(held[1:]) + round(rest * MIB), processes=len(held) + 1,
        server=server, workers=held, has_map=True, counts_pages_once=exact,
    )  # fmt: skip


def threaded(arenas: int, held: float, variables: dict[str, str] | None = None) -> Runtime:
    """A program whose arenas hold `held` MiB."""
    return Runtime(
        RuntimeKind.PROGRAM, "/server", round((held + 10) * MIB), 0, has_map=True, malloc=Malloc.GLIBC, arenas=arenas,
        arena_bytes=round(held * MIB), variables=variables or {},
    )  # fmt: skip


def buffered(heap: float, direct: float, *, beside: float = 60) -> Runtime:
    """A JVM whose heap and direct buffers may take that many MiB."""
    made = jvm(heap, beside=beside, settings=(f"-Xmx{heap}m", f"-XX:MaxDirectMemorySize={direct}m"))
    assert made.answer is not None
    return replace(made, answer=replace(made.answer, direct_bytes=round(direct * MIB)))


def freeing(settled: float, with_setting: float, variables: dict[str, str] | None = None) -> Runtime:
    """A program with jemalloc that settled at a number of MiB, and at another one with a setting."""
    setting = "MALLOC_CONF=background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0"
    has_own = "MALLOC_CONF" in (variables or {})
    returned = None if has_own else Returned(setting, round(settled * MIB), round(with_setting * MIB))
    return Runtime(
        RuntimeKind.PROGRAM, "/server", round(settled * MIB), 0, has_map=True, malloc=Malloc.JEMALLOC,
        variables=variables or {}, returned=returned,
    )  # fmt: skip


def php_fpm(limit: float, most: int, *workers: float, rest: float = 10) -> Runtime:
    """A PHP-FPM whose children may take `limit` MiB each, with idle ones that hold `workers` MiB."""
    of = Connections(0, round(limit * MIB), most)
    held = tuple(round(size * MIB) for size in workers)
    return Runtime(
        RuntimeKind.PHP_FPM, "/usr/sbin/php-fpm8.2", held[0], 0, server=PreforkServer.PHP_FPM, workers=held,
        has_map=True, counts_pages_once=True, container_bytes=sum(held) + round(rest * MIB),
        answer=RuntimeAnswer(ceiling_bytes=of.most * of.each_bytes, connections=of),
    )  # fmt: skip


def dotnet(ceiling: float, *, others: float = 0, variables: dict[str, str] | None = None) -> Runtime:
    """A .NET whose heap may take `ceiling` MiB, beside which other processes hold `others` MiB."""
    answer = RuntimeAnswer(ceiling_bytes=round(ceiling * MIB), sees_limit=True)
    return Runtime(
        RuntimeKind.DOTNET, "/usr/bin/dotnet", 60 * MIB, round(others * MIB), variables=variables or {}, has_map=True,
        answer=answer,
    )  # fmt: skip


def found(*runtimes: Runtime, peak: float = 100, killed: bool = False, limit: float = LIMIT_MIB,
          rules: tuple[RuntimeRule, ...] = tuple(RuntimeRule)) -> tuple[RuntimeFinding, ...]:  # fmt: skip
    """What is found in the runtimes of the image `api`, whose head peaked at `peak` MiB."""
    head = replace(builders.side(builders.trial(peak, oom_kills=int(killed))), runtimes=runtimes)
    return judge_runtimes([builders.image("api", head=head, limit=limit)], rules)


def of_line(line: str) -> Runtime:  # noqa: PLR0911 - one for each kind
    """What a runtime does that a line of a Dockerfile starts or sets, in a container of 256 MiB."""
    keyword, _, rest = line.strip().partition(" ")
    words = tuple(json.loads(rest)) if keyword == "CMD" else ()
    variables = dict(kept_variables("=".join(shlex.split(rest)[0].split("=", 1)).encode())) if keyword == "ENV" else {}
    if words[:1] == ("java",) or "JAVA_TOOL_OPTIONS" in variables:
        return _jvm_of(words, variables)
    if words[:1] == ("node",) or "NODE_OPTIONS" in variables:
        old = _number(variables["NODE_OPTIONS"], r"--max-old-space-size=(\d+)")
        return node((old or LIMIT_MIB / 2) + 3, variables=variables)
    if words[:1] == ("gunicorn",):
        return workers(*[40] * (_number(words[1], r"--workers=(\d+)") or 1))
    if words[:1] == ("redis-server",):
        return redis(_number(" ".join(words), r"maxmemory (\d+)mb"))
    if words[:1] == ("postgres",):
        shared, work = (_number(" ".join(words), rf"{name}=(\d+)") or 0 for name in ("shared_buffers", "work_mem"))
        return postgres(shared, work / 1024, 100)
    if "MALLOC_CONF" in variables or "LD_PRELOAD" in variables:
        return freeing(110, 30, variables)
    if words[:1] == ("/server",) or "MALLOC_ARENA_MAX" in variables:
        return threaded(16, 30, variables)
    return go(variables.get("GOMEMLIMIT"))


def _jvm_of(words: tuple[str, ...], variables: dict[str, str]) -> Runtime:
    """Size a heap as HotSpot does: -Xmx, or else a share of the memory that it sees."""
    flags = " ".join((*words, *variables.values()))
    sees_limit = "-UseContainerSupport" not in flags
    memory = LIMIT_MIB if sees_limit else 8 * GIB / MIB
    percent = _number(flags, r"MaxRAMPercentage=(\d+)") or 25
    ceiling = _number(flags, r"-Xmx(\d+)m") or memory * percent / 100
    initial = _number(flags, r"-Xms(\d+)m") or 8
    settings = tuple(word for word in words if word.startswith("-X"))
    made = jvm(ceiling, initial=initial, sees_limit=sees_limit, settings=settings, variables=variables)
    direct = _number(flags, r"MaxDirectMemorySize=(\d+)m")
    assert made.answer is not None
    return replace(made, answer=replace(made.answer, direct_bytes=direct * MIB if direct is not None else None))


def _number(text: str, pattern: str) -> int | None:
    match = re.search(pattern, text)
    return int(match[1]) if match is not None else None
