"""What a runtime is asked about its memory, and how its answer is read. Pure: answers are text from outside.

Sources: HotSpot's flags (src/hotspot/share/runtime/globals.hpp), the log of its heap's place
(src/hotspot/share/memory/virtualspace.cpp); Node, v8.getHeapStatistics(); PostgreSQL, `postgres -C`; Redis, CONFIG GET;
PHP-FPM, `php-fpm -tt` (sapi/fpm/fpm/fpm_conf.c); .NET, docs "Runtime configuration options for garbage collection";
proc(5).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from membudget.measure.runtimes.runtime import FPM_CONFIG, Connections, Runtime, RuntimeAnswer, RuntimeKind

_MOST_BYTES = 1 << 60
_FLAG = re.compile(r"^\s*\S{1,20}\s+(\w{1,60})\s*:?=\s*(\S{1,40})\s", re.MULTILINE)
_HEAP = re.compile(r"Heap address: 0x([0-9a-f]{1,16}), size:")
_VERSION = re.compile(r'^(?:\w+ )?version "([^"\n]{1,60})"', re.MULTILINE)
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d{1,12}) kB$", re.MULTILINE)
_TOUCHES_MEMORY = re.compile(r"-XX:\+AlwaysPreTouch|-XX:\+?(StartFlightRecording|FlightRecorder)\b.*")
_NUMBER_LINE = re.compile(r"^(\d{1,15})$", re.MULTILINE)
_MAXMEMORY = re.compile(r"^maxmemory\r?\n(\d{1,18})\r?$", re.MULTILINE)
_PHP_SECTION = re.compile(r"\[[^]]{1,40}\] NOTICE: \[([^]\s]{1,100})\]")
_PHP_SETTING = re.compile(r"\[[^]]{1,40}\] NOTICE: \t([\w.\[\]]{1,60}) = (\S{1,40})")
_PHP_LIMIT = re.compile(r"^memory_limit => (\S{1,20}) =>", re.MULTILINE)
_PHP_SIZE = re.compile(r"(\d{1,15})([KMGkmg]?)")
_PHP_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}
_DOTNET_LIMIT = "GCHeapHardLimit"
_HEXADECIMAL = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,15})")
_NODE_SCRIPT = (
    "JSON.stringify({ceiling:require('v8').getHeapStatistics().heap_size_limit,version:process.version,"
    "heap:process.memoryUsage().heapTotal,status:require('fs').readFileSync('/proc/self/status','latin1')})"
)
_POSTGRES = ("shared_buffers", "work_mem", "max_connections")
_DATA_FOLDER = "-D"
_BLOCK_BYTES, _KIB = 8192, 1024
"""The units in which PostgreSQL says shared_buffers (BLCKSZ) and work_mem."""


@dataclass(frozen=True, slots=True)
class Question:
    """Programs to run in the service's image, environment and limit, in containers of their own."""

    commands: tuple[tuple[str, ...], ...]
    variables: dict[str, str]
    """What the service's process had in its environment, of what sets memory."""
    is_inside: bool = False
    """Whether the commands are run inside of one container in which the service starts, because they ask the service,
    or need files that it makes.
    """
    first_process: str | None = None
    """The name of the container's first process once those files are final. None if answers are final at once."""


def question(runtime: Runtime) -> Question | None:
    """Return what to ask a runtime. None if there is nothing to ask."""
    variables, program = dict(runtime.variables), runtime.executable
    match runtime.kind:
        case RuntimeKind.JVM:
            flags = _harmless([word for word in runtime.settings if word.startswith("-X")])
            # The place of the heap is in the log of JDK 9 and newer. An older one does not know the flag.
            log = ("-Xlog:gc+heap+coops=debug",) if not _is_jdk_8(runtime) else ()
            variables = {name: " ".join(_harmless(value.split())) for name, value in variables.items()}
            return Question(((program, *flags, *log, "-XX:+PrintFlagsFinal", "-version"),), variables)
        case RuntimeKind.NODE:
            flags = [word for word in runtime.settings if word.startswith("--")]
            return Question(((program, *flags, "-p", _NODE_SCRIPT),), variables)
        case RuntimeKind.POSTGRES:
            given = [
                part
                for word in runtime.settings
                for part in ((word,) if word.startswith(_DATA_FOLDER) else ("-c", word))
            ]
            # "-C" has to be the first word: then the server answers root as well
            return Question(tuple((program, "-C", name, *given) for name in _POSTGRES), variables)
        case RuntimeKind.PHP_FPM:
            given = [part for word in runtime.settings if word.startswith("memory_limit=") for part in ("-d", word)]
            configured = [word for word in runtime.settings if word.startswith(FPM_CONFIG)]
            return Question(((program, *configured, *given, "-tt"), (program, *given, "-i")), variables)
        case RuntimeKind.REDIS:
            client = str(PurePosixPath(program).with_name("redis-cli"))
            return Question(((client, "config", "get", "maxmemory"),), variables, is_inside=True)
        case _:
            return None


def second_question(runtime: Runtime) -> Question | None:
    """Return what to ask a runtime that could not answer outside of its service. None if there is nothing more to ask.

    Many images of PostgreSQL make the data folder, and the configuration in it, when they start for the first time.
    Their scripts may change the configuration, and become the server when they are done.
    """
    first = question(runtime) if runtime.kind is RuntimeKind.POSTGRES else None
    name = PurePosixPath(runtime.executable).name
    return replace(first, is_inside=True, first_process=name) if first is not None else None


def _is_jdk_8(runtime: Runtime) -> bool:
    return "/jre/bin/" in runtime.executable or "java-8" in runtime.executable or "/jdk8" in runtime.executable


def _harmless(words: list[str]) -> list[str]:
    """Return the words without those that make a runtime touch all of its heap, or record itself."""
    return [word for word in words if _TOUCHES_MEMORY.fullmatch(word) is None]


def known_answer(runtime: Runtime, limit_bytes: int | None) -> RuntimeAnswer | None:
    """Return the ceiling of a runtime that cannot be asked, because its settings say it. None for other runtimes.

    .NET's heap takes at most GCHeapHardLimit bytes, or that percentage of the container's limit. Variables write both
    as hexadecimal numbers. Without them, a file of the program may set it, so nothing is known.
    """
    if runtime.kind is not RuntimeKind.DOTNET:
        return None
    size, percent = (_hexadecimal(runtime, name) for name in (_DOTNET_LIMIT, f"{_DOTNET_LIMIT}Percent"))
    if size is None and percent is not None and percent <= 100 and limit_bytes is not None:
        size = percent * limit_bytes // 100
    return RuntimeAnswer(ceiling_bytes=_small(size), sees_limit=True) if size else None


def _hexadecimal(runtime: Runtime, name: str) -> int | None:
    for prefix in ("DOTNET_", "COMPlus_"):
        found = _HEXADECIMAL.fullmatch(runtime.variables.get(f"{prefix}{name}", ""))
        if found is not None:
            return int(found[1], 16)
    return None


def read_answer(kind: RuntimeKind, outputs: Sequence[str]) -> RuntimeAnswer | None:
    """Return what a runtime said to each command. None if that is no answer."""
    match kind:
        case RuntimeKind.REDIS:
            return _of_redis(outputs[0])
        case RuntimeKind.POSTGRES:
            return _of_postgres(outputs)
        case RuntimeKind.PHP_FPM:
            return _of_php_fpm(outputs)
        case RuntimeKind.NODE:
            answer = _of_node(outputs[0])
        case _:
            answer = _of_jvm(outputs[0])
    return answer if answer is not None and answer.ceiling_bytes else None


def _of_jvm(output: str) -> RuntimeAnswer | None:
    flags = dict(_FLAG.findall(output))
    heap, version = _HEAP.search(output), _VERSION.search(output)
    support = flags.get("UseContainerSupport")
    return RuntimeAnswer(
        version=version[1] if version is not None else None,
        ceiling_bytes=_number(flags.get("MaxHeapSize")),
        initial_bytes=_number(flags.get("InitialHeapSize")),
        heap_start=_small(int(heap[1], 16)) if heap is not None else None,
        sees_limit=support == "true" if support in {"true", "false"} else None,
        direct_bytes=_number(flags.get("MaxDirectMemorySize")) or None,
    )


def _of_node(output: str) -> RuntimeAnswer | None:
    line = next((line for line in output.splitlines() if line.startswith('{"ceiling"')), "")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    status, ceiling, heap, version = (found.get(key) for key in ("status", "ceiling", "heap", "version"))
    if not isinstance(ceiling, int) or isinstance(ceiling, bool):
        return None
    anonymous = _ANONYMOUS.search(status) if isinstance(status, str) else None
    beside = None
    if anonymous is not None and isinstance(heap, int) and not isinstance(heap, bool):
        beside = _small(max(0, _KIB * int(anonymous[1]) - heap))
    return RuntimeAnswer(
        version=version[:60] if isinstance(version, str) else None,
        ceiling_bytes=_small(ceiling),
        idle_beside_bytes=beside,
    )


def _of_postgres(outputs: Sequence[str]) -> RuntimeAnswer | None:
    numbers = [_NUMBER_LINE.search(output) for output in outputs]
    blocks, work, most = (_number(found[1]) if found is not None else None for found in numbers)
    if blocks is None or work is None or most is None:
        return None
    shared, each = _BLOCK_BYTES * blocks, _KIB * work
    ceiling = _small(shared + each * most)
    return (
        RuntimeAnswer(ceiling_bytes=ceiling, connections=Connections(shared, each, most))
        if ceiling is not None
        else None
    )


def _of_php_fpm(outputs: Sequence[str]) -> RuntimeAnswer | None:
    """Return the sum of all pools: each child may take the memory_limit of its pool, or else that of PHP."""
    general = _PHP_LIMIT.search(outputs[1])
    pools: dict[str, dict[str, str]] = {}
    for line in outputs[0].splitlines():
        if (section := _PHP_SECTION.fullmatch(line)) is not None:
            pool = pools.setdefault(section[1], {})
        elif (setting := _PHP_SETTING.fullmatch(line)) is not None and pools:
            pool[setting[1]] = setting[2]
    total = most = 0
    for name, settings in pools.items():
        if name != "global":
            children, own = _number(settings.get("pm.max_children")), settings.get("php_admin_value[memory_limit]")
            limit = _php_size(own or settings.get("php_value[memory_limit]") or (general[1] if general else ""))
            if children is None or limit is None:
                return None
            total, most = total + children * limit, most + children
    ceiling = _small(total)
    return (
        RuntimeAnswer(ceiling_bytes=ceiling, connections=Connections(0, total // most, most))
        if most and ceiling
        else None
    )


def _php_size(text: str) -> int | None:
    """Return the bytes of a size as PHP writes it. None also for "-1", which sets no limit."""
    found = _PHP_SIZE.fullmatch(text)
    return _small(int(found[1]) << _PHP_UNITS[found[2].upper()]) if found is not None else None


def _of_redis(output: str) -> RuntimeAnswer | None:
    found = _MAXMEMORY.search(output)
    return RuntimeAnswer(ceiling_bytes=_number(found[1]) or None) if found is not None else None


def _number(text: str | None) -> int | None:
    return _small(int(text)) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _small(number: int) -> int | None:
    return number if 0 <= number <= _MOST_BYTES else None
