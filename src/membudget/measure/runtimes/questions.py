"""What a runtime is asked about its memory, and how its answer is read. Pure: answers are text from outside.

Sources: HotSpot's flags (src/hotspot/share/runtime/globals.hpp), the log of its heap's place
(src/hotspot/share/memory/virtualspace.cpp); Node, v8.getHeapStatistics(); proc(5).
"""

import json
import re
from dataclasses import dataclass

from membudget.measure.runtimes.runtime import Answer, Runtime, RuntimeKind

_MOST_BYTES = 1 << 60
_FLAG = re.compile(r"^\s*\S{1,20}\s+(\w{1,60})\s*:?=\s*(\S{1,40})\s", re.MULTILINE)
_HEAP = re.compile(r"Heap address: 0x([0-9a-f]{1,16}), size:")
_VERSION = re.compile(r'^(?:\w+ )?version "([^"\n]{1,60})"', re.MULTILINE)
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d{1,12}) kB$", re.MULTILINE)
_TOUCHES_MEMORY = re.compile(r"-XX:\+AlwaysPreTouch|-XX:\+?(StartFlightRecording|FlightRecorder)\b.*")
_NODE_SCRIPT = (
    "JSON.stringify({ceiling:require('v8').getHeapStatistics().heap_size_limit,version:process.version,"
    "heap:process.memoryUsage().heapTotal,status:require('fs').readFileSync('/proc/self/status','latin1')})"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A program to run in the service's image, environment and limit, in a container of its own."""

    command: tuple[str, ...]
    variables: dict[str, str]
    """What the service's process had in its environment, of what sets memory."""


def question(runtime: Runtime) -> Question | None:
    """Return what to ask a runtime. None if there is nothing to ask."""
    if runtime.kind is RuntimeKind.JVM:
        flags = [word for word in runtime.settings if word.startswith("-X")]
        # The place of the heap is in the log of JDK 9 and newer. An older one does not know the flag.
        log = ("-Xlog:gc+heap+coops=debug",) if not _is_jdk_8(runtime) else ()
        command = (runtime.executable, *_harmless(flags), *log, "-XX:+PrintFlagsFinal", "-version")
        variables = {name: " ".join(_harmless(value.split())) for name, value in runtime.variables.items()}
        return Question(command, variables)
    if runtime.kind is RuntimeKind.NODE:
        flags = [word for word in runtime.settings if word.startswith("--")]
        return Question((runtime.executable, *flags, "-p", _NODE_SCRIPT), dict(runtime.variables))
    return None


def _is_jdk_8(runtime: Runtime) -> bool:
    return "/jre/bin/" in runtime.executable or "java-8" in runtime.executable or "/jdk8" in runtime.executable


def _harmless(words: list[str]) -> list[str]:
    """Return the words without those that make a runtime touch all of its heap, or record itself."""
    return [word for word in words if _TOUCHES_MEMORY.fullmatch(word) is None]


def read_answer(kind: RuntimeKind, output: str) -> Answer | None:
    """Return what a runtime said. None if its output is not an answer."""
    answer = _of_node(output) if kind is RuntimeKind.NODE else _of_jvm(output)
    if answer is None or answer.ceiling_bytes is None or not 0 < answer.ceiling_bytes <= _MOST_BYTES:
        return None
    return answer


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
    if not isinstance(ceiling, int) or isinstance(ceiling, bool) or ceiling < 0:
        return None
    anonymous = _ANONYMOUS.search(status) if isinstance(status, str) else None
    beside = None
    if anonymous is not None and isinstance(heap, int) and not isinstance(heap, bool):
        beside = _small(max(0, 1024 * int(anonymous[1]) - heap))
    return Answer(
        version=version[:60] if isinstance(version, str) else None, ceiling_bytes=ceiling, idle_beside_bytes=beside
    )


def _number(text: str | None) -> int | None:
    return _small(int(text)) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _small(number: int) -> int | None:
    return number if 0 <= number <= _MOST_BYTES else None
