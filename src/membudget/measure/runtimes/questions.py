"""What a runtime is asked about its memory, and how its answer is read. Pure: answers are text from outside.

Sources: HotSpot's flags (src/hotspot/share/runtime/globals.hpp), the log of its heap's place
(src/hotspot/share/memory/virtualspace.cpp); Node, v8.getHeapStatistics(); PostgreSQL, `postgres -C`; Redis, CONFIG GET;
proc(5).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from membudget.measure.runtimes.runtime import Answer, Connections, Runtime, RuntimeKind

_MOST_BYTES = 1 << 60
_FLAG = re.compile(r"^\s*\S{1,20}\s+(\w{1,60})\s*:?=\s*(\S{1,40})\s", re.MULTILINE)
_HEAP = re.compile(r"Heap address: 0x([0-9a-f]{1,16}), size:")
_VERSION = re.compile(r'^(?:\w+ )?version "([^"\n]{1,60})"', re.MULTILINE)
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d{1,12}) kB$", re.MULTILINE)
_TOUCHES_MEMORY = re.compile(r"-XX:\+AlwaysPreTouch|-XX:\+?(StartFlightRecording|FlightRecorder)\b.*")
_NUMBER_LINE = re.compile(r"^(\d{1,15})$", re.MULTILINE)
_MAXMEMORY = re.compile(r"^maxmemory\r?\n(\d{1,18})\r?$", re.MULTILINE)
_NODE_SCRIPT = (
    "JSON.stringify({ceiling:require('v8').getHeapStatistics().heap_size_limit,version:process.version,"
    "heap:process.memoryUsage().heapTotal,status:require('fs').readFileSync('/proc/self/status','latin1')})"
)
_POSTGRES = ("shared_buffers", "work_mem", "max_connections")
_BLOCK_BYTES, _KIB = 8192, 1024
"""The units in which PostgreSQL says shared_buffers (BLCKSZ) and work_mem."""


@dataclass(frozen=True, slots=True)
class Question:
    """Programs to run in the service's image, environment and limit, in containers of their own."""

    commands: tuple[tuple[str, ...], ...]
    variables: dict[str, str]
    """What the service's process had in its environment, of what sets memory."""
    is_inside: bool = False
    """Whether the only command is run inside of a container in which the service starts, because it asks the service.
    """


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
            given = [part for word in runtime.settings if "=" in word for part in ("-c", word)]
            # "-C" has to be the first word: then the server answers root as well
            return Question(tuple((program, "-C", name, *given) for name in _POSTGRES), variables)
        case RuntimeKind.REDIS:
            client = str(PurePosixPath(program).with_name("redis-cli"))
            return Question(((client, "config", "get", "maxmemory"),), variables, is_inside=True)
        case _:
            return None


def _is_jdk_8(runtime: Runtime) -> bool:
    return "/jre/bin/" in runtime.executable or "java-8" in runtime.executable or "/jdk8" in runtime.executable


def _harmless(words: list[str]) -> list[str]:
    """Return the words without those that make a runtime touch all of its heap, or record itself."""
    return [word for word in words if _TOUCHES_MEMORY.fullmatch(word) is None]


def read_answer(kind: RuntimeKind, outputs: Sequence[str]) -> Answer | None:
    """Return what a runtime said to each command. None if that is no answer."""
    match kind:
        case RuntimeKind.REDIS:
            return _of_redis(outputs[0])
        case RuntimeKind.POSTGRES:
            return _of_postgres(outputs)
        case RuntimeKind.NODE:
            answer = _of_node(outputs[0])
        case _:
            answer = _of_jvm(outputs[0])
    return answer if answer is not None and answer.ceiling_bytes else None


def _of_jvm(output: str) -> Answer | None:
    flags = dict(_FLAG.findall(output))
    heap, version = _HEAP.search(output), _VERSION.search(output)
    support = flags.get("UseContainerSupport")
    return Answer(
        version=version[1] if version is not None else None,
        ceiling_bytes=_number(flags.get("MaxHeapSize")),
        initial_bytes=_number(flags.get("InitialHeapSize")),
        heap_start=_small(int(heap[1], 16)) if heap is not None else None,
        sees_limit=support == "true" if support in {"true", "false"} else None,
    )


def _of_node(output: str) -> Answer | None:
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
    return Answer(
        version=version[:60] if isinstance(version, str) else None,
        ceiling_bytes=_small(ceiling),
        idle_beside_bytes=beside,
    )


def _of_postgres(outputs: Sequence[str]) -> Answer | None:
    numbers = [_NUMBER_LINE.search(output) for output in outputs]
    blocks, work, most = (_number(found[1]) if found is not None else None for found in numbers)
    if blocks is None or work is None or most is None:
        return None
    shared, each = _BLOCK_BYTES * blocks, _KIB * work
    ceiling = _small(shared + each * most)
    return Answer(ceiling_bytes=ceiling, connections=Connections(shared, each, most)) if ceiling is not None else None


def _of_redis(output: str) -> Answer | None:
    found = _MAXMEMORY.search(output)
    return Answer(ceiling_bytes=_number(found[1]) or None) if found is not None else None


def _number(text: str | None) -> int | None:
    return _small(int(text)) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _small(number: int) -> int | None:
    return number if 0 <= number <= _MOST_BYTES else None
