"""Makes a heap profile of what a JVM said of its memory."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter

from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.jvm import ClassSample, Method, Taken, capture, prepared
from membudget.measure.profiling.profiler import Profiler
from membudget.measure.runtimes.runtime import RuntimeKind

_MOST_SCALE = 2.0
"""How much more than its samples stand for a class may hold, before the rest has no known place."""
_OURS = frozenset({"Native Memory Tracking", "Tracing"})
"""What the profiler itself takes."""
_JAVA_HEAP = "Java Heap"
_NOT_LIVE = Frame("JVM Java Heap, not live", is_library=True, in_live_heap=False)
"""The part of the heap without live objects: garbage, and what the JVM keeps for new objects."""

_TAKEN = TypeAdapter(Taken)


def read(raw: bytes) -> HeapProfile:
    """Return the profile. Raises ValueError if `raw` is not what `capture` returns."""
    taken = _TAKEN.validate_json(raw)
    if any(not 0 <= index < len(taken.methods) for sample in taken.samples for index in sample.methods):
        raise ValueError("a sample names a method that is not in the profile")
    profiled_by = ProfiledBy.FLIGHT_RECORDER if taken.samples else ProfiledBy.CLASS_HISTOGRAM
    return HeapProfile.of(profiled_by, _held(taken))


def _held(taken: Taken) -> Iterator[tuple[tuple[Frame, ...], int]]:
    has_sources = not any(name.startswith(_OTHER_LANGUAGES) for name, _ in taken.classes)
    frames = [_frame(method, has_sources) for method in taken.methods]
    samples: defaultdict[str, list[ClassSample]] = defaultdict(list)
    for sample in taken.samples:
        samples[readable(sample.of_class)].append(sample)
    live: defaultdict[str, int] = defaultdict(int)
    for name, held_bytes in taken.classes:
        live[readable(name)] += held_bytes
    for name, held_bytes in live.items():
        yield from _divided(name, held_bytes, samples[name], frames)
    native = dict(taken.native)
    heap_bytes = native.pop(_JAVA_HEAP, 0)
    # The JVM may have reserved more of the heap than it has ever used.
    resident_bytes = min(heap_bytes, taken.rss_bytes - sum(native.values()))
    yield (_NOT_LIVE,), resident_bytes - sum(live.values())
    for category in native.keys() - _OURS:
        yield (Frame(f"JVM {category}", is_library=True, in_live_heap=False),), native[category]


def _divided(
    name: str, held_bytes: int, samples: Sequence[ClassSample], frames: Sequence[Frame]
) -> Iterator[tuple[tuple[Frame, ...], int]]:
    """Divide the bytes of a class among the stacks that allocated its objects."""
    whole = sum(sample.stands_for_bytes for sample in samples if sample.is_whole)
    sampled = sum(sample.stands_for_bytes for sample in samples if not sample.is_whole)
    factors = {
        True: min(1.0, held_bytes / max(1, whole)),
        False: min(_MOST_SCALE, max(0, held_bytes - whole) / max(1, sampled)),
    }
    left = held_bytes
    for sample in samples:
        part = int(sample.stands_for_bytes * factors[sample.is_whole])
        calls = tuple(frames[index] for index in sample.methods)
        # A place in the service's code says more than the class, even if the class is the service's own.
        is_library = is_library_class(name) or any(not frame.is_library for frame in calls)
        yield (Frame(name, is_library=is_library), *calls), part
        left -= part
    yield (Frame(name, is_library=is_library_class(name)),), left


def _frame(method: Method, has_sources: bool) -> Frame:
    of_class = readable(method.of_class)
    name = _LAMBDA_METHOD.sub(r"\1", method.name)
    is_library = is_library_class(of_class)
    outermost, _, _ = of_class.partition("$")
    has_source = has_sources and outermost and not outermost.startswith(_JDK)
    file = f"{outermost.replace('.', '/')}.java" if has_source else None
    return Frame(f"{of_class}.{name}", file, method.line, is_library)


_LAMBDA_METHOD = re.compile(r"lambda\$(.+)\$\d+")
_HIDDEN = re.compile(r"[/+]0x[0-9a-f]+.*")
_NUMBERED = re.compile(r"(\$\$Lambda|Accessor|\$Proxy)\$?\d+")
_ARRAY = re.compile(r"(\[+)(?:L(.+);|([ZBCSIFJD]))")
_PRIMITIVES = {
    "Z": "boolean",
    "B": "byte",
    "C": "char",
    "S": "short",
    "I": "int",
    "F": "float",
    "J": "long",
    "D": "double",
}


def readable(name: str) -> str:
    """Return a class's name as in Java's sources: `byte[]` for `[B`. Numbers of generated classes are left out."""
    name = _NUMBERED.sub(r"\1", _HIDDEN.sub("", name)).replace("/", ".")
    array = _ARRAY.fullmatch(name)
    if array is None:
        return name
    return (array[2] or _PRIMITIVES[array[3]]) + "[]" * len(array[1])


_OTHER_LANGUAGES = ("kotlin.", "scala.", "groovy.lang.", "clojure.lang.")
"""If these are loaded, nobody knows in which language a class was written, and so what its file is called."""
_JDK = ("java.", "javax.", "jdk.", "sun.", "com.sun.")
_LIBRARIES = (
    *(*_JDK, "jakarta.", "org.graalvm."),
    *_OTHER_LANGUAGES,
    *("akka.", "ch.qos.logback.", "com.fasterxml.", "com.google.", "com.mysql.", "com.zaxxer.", "io.grpc."),
    *(
        "io.micrometer.",
        "io.micronaut.",
        "io.netty.",
        "io.quarkus.",
        "io.undertow.",
        "io.vertx.",
        "kotlinx.",
        "okhttp3.",
    ),
    *("okio.", "org.apache.", "org.codehaus.", "org.eclipse.", "org.glassfish.", "org.hibernate.", "org.jboss."),
    *("org.mariadb.", "org.postgresql.", "org.slf4j.", "org.springframework.", "reactor."),
)
_PRIMITIVE_ARRAYS = tuple(f"{name}[" for name in _PRIMITIVES.values())


def is_library_class(name: str) -> bool:
    """Whether a class belongs to the JDK, or to a package of a well-known library."""
    return name.startswith((*_LIBRARIES, *_PRIMITIVE_ARRAYS))


FLIGHT_RECORDER = Profiler(AskableRuntime.HOTSPOT, frozenset({RuntimeKind.JVM}), capture, read, prepared)
