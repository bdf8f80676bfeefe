"""Profiles a HotSpot JVM: the bytes of each class, where its objects were allocated, and the JVM's own memory.

Three answers make a profile. Each is asked for by the attach protocol.

- GC.class_histogram has the exact bytes of all live objects of each class. It collects first. Garbage is not listed
  by class: how much of which class lies around depends on the moment.
- JFR.dump has samples of live objects with the stack that allocated them (the event jdk.OldObjectSample). JFR samples
  the object for which a thread needs a new buffer (TLAB), and each object that has no place in one. With buffers of a
  known size, which are used up to their end, each sample stands for a known number of bytes, and objects that are
  larger are all sampled. The samples divide the bytes of the class among the stacks.
- VM.native_memory has what the JVM took outside of the Java heap: threads, code, classes, direct buffers ("Other"). It
  also has the size of the heap, and so how much of it had no live object.
"""

import dataclasses
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from membudget.measure.live_heap.attach import attached, said
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.profiling.flight_recording import Chunk, NotARecording, RecordedValue, Reference, chunks
from membudget.measure.profiling.profiler import IN_CONTAINER, ServiceSeen, preloaded
from membudget.measure.trial import TrialInputs

IN_JVM = Path(__file__).parent / "in_jvm"
"""The folder with the settings of the recording."""
_RECORDING = "membudget"
BUFFER_BYTES = 64 << 10
"""The size of a thread's allocation buffer in a profiled trial."""
_MOST_SAMPLES = 32_768
"""How many live objects JFR remembers: enough for 2 GiB of them. It takes 6 MiB."""
_OPTIONS = (
    "-XX:NativeMemoryTracking=summary "
    f"-XX:StartFlightRecording=name={_RECORDING},settings={IN_CONTAINER}/heap.jfc "
    f"-XX:FlightRecorderOptions=old-object-queue-size={_MOST_SAMPLES} "
    f"-XX:TLABSize={BUFFER_BYTES} -XX:-ResizeTLAB -XX:TLABRefillWasteFraction=1"
)
_LARGEST_RECORDING_BYTES = 24 << 20
_LONGEST_ANSWER_BYTES = 3 << 20
_LONGEST_CLASSES_BYTES = 1 << 20
_LONGEST_NAME = 200
_MOST_FRAMES = 40
_MOST_CATEGORIES = 50
_CLASS = re.compile(rb"^ *\d+: +\d+ +(\d{1,18})  (\S+)", re.MULTILINE)
_CATEGORY = re.compile(rb"^- +(\w[\w ]*\w) \(reserved=\d+, committed=(\d{1,18})\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Method:
    """A method in a stack, as JFR names it."""

    of_class: str
    name: str
    line: int | None


@dataclass(frozen=True, slots=True)
class ClassSample:
    """Live objects of one class that one stack allocated."""

    of_class: str
    stands_for_bytes: int
    is_whole: bool
    """Whether these are all such objects, with their own sizes. Otherwise they stand for others as well."""
    methods: tuple[int, ...]
    """Indices into `Taken.methods`, the innermost first."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a JVM said."""

    classes: tuple[tuple[str, int], ...]
    """The bytes of all live objects, by class."""
    native: tuple[tuple[str, int], ...]
    """The bytes of the JVM's own memory, by category. Empty if it does not track them."""
    samples: tuple[ClassSample, ...]
    methods: tuple[Method, ...]
    rss_bytes: int
    """The process's resident memory before it was asked."""


def prepared(inputs: TrialInputs, seen: ServiceSeen) -> TrialInputs:
    """Return `inputs` with which a JVM tracks its memory. Other programs do not notice."""
    return preloaded(inputs, seen, "JAVA_TOOL_OPTIONS", _OPTIONS, IN_JVM)


def capture(process: RunningRuntime, deadline: float) -> bytes:
    """Return what a JVM says of its memory, as `Taken` in JSON. Runs confined beside the JVM.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    path = attached(process, deadline)
    # First: the collection for the histogram makes the heap smaller.
    native = native_of(said(path, "VM.native_memory summary scale=B", deadline))
    classes = classes_of(said(path, "GC.class_histogram", deadline))
    if not classes:
        raise NoAnswer("the JVM's class histogram has no class")
    samples, methods = _sampled(path, process.pid, deadline)
    return as_text(Taken(classes, native, samples, methods, process.rss_bytes))


def as_text(taken: Taken) -> bytes:
    """Return what a JVM said as JSON."""
    return json.dumps(dataclasses.asdict(taken)).encode()


def classes_of(histogram: bytes) -> tuple[tuple[str, int], ...]:
    """Return the classes of a histogram with the bytes of their objects, the largest first, within bounds."""
    found: list[tuple[str, int]] = []
    length = 0
    for match in _CLASS.finditer(histogram):
        name = match[2][:_LONGEST_NAME].decode(errors="replace")
        length += len(json.dumps(name)) + 30
        if length > _LONGEST_CLASSES_BYTES:
            break
        found.append((name, int(match[1])))
    return tuple(found)


def native_of(summary: bytes) -> tuple[tuple[str, int], ...]:
    """Return the categories of native memory in bytes. None of them if the JVM was not told to track it."""
    found = islice(_CATEGORY.finditer(summary), _MOST_CATEGORIES)
    return tuple((match[1].decode()[:_LONGEST_NAME], int(match[2])) for match in found)


def _sampled(path: Path, pid: int, deadline: float) -> tuple[tuple[ClassSample, ...], tuple[Method, ...]]:
    """Return the sampled objects by class and stack. None if there is no recording that can be read: by class alone."""
    file = Path(f"/tmp/.membudget-{pid}.jfr")  # noqa: S108 - the JVM writes it, in its container, and it is removed
    try:
        with suppress(FileNotFoundError):
            file.unlink()
        said(path, f"JFR.dump name={_RECORDING} filename={file} path-to-gc-roots=false", deadline)
        return sampled_in(_read_plain(file))
    except (NoAnswer, NotARecording, OSError):
        return (), ()
    finally:
        with suppress(OSError):
            file.unlink()


def _read_plain(file: Path) -> bytes:
    """Return the content of a plain file. Raises NoAnswer if it is none, or too large."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NoAnswer("its flight recording is no file")
        content = opened.read(_LARGEST_RECORDING_BYTES + 1)
    if len(content) > _LARGEST_RECORDING_BYTES:
        raise NoAnswer(f"its flight recording is larger than {_LARGEST_RECORDING_BYTES >> 20} MiB")
    return content


_Stack = tuple[str, bool, tuple[Method, ...]]


def sampled_in(recording: bytes) -> tuple[tuple[ClassSample, ...], tuple[Method, ...]]:
    """Return the samples of a recording, the heaviest first, within bounds. Raises NotARecording."""
    weights: Counter[_Stack] = Counter()
    for chunk in chunks(recording, "jdk.OldObjectSample"):
        if chunk.events:  # each dump lists all live objects again
            weights = _weights(chunk)
    samples: list[ClassSample] = []
    numbers: dict[Method, int] = {}
    length = 0
    for (name, is_whole, methods), weight in weights.most_common():
        length += sum(len(json.dumps(dataclasses.astuple(one))) + 30 for one in methods if one not in numbers)
        length += len(json.dumps(name)) + 8 * len(methods) + 60
        if length > _LONGEST_ANSWER_BYTES - _LONGEST_CLASSES_BYTES:
            break
        stack = tuple([numbers.setdefault(one, len(numbers)) for one in methods])
        samples.append(ClassSample(name, min(weight, 1 << 50), is_whole, stack))
    return tuple(samples), tuple(numbers)


def _weights(chunk: Chunk) -> Counter[_Stack]:
    weights: Counter[_Stack] = Counter()
    stacks: dict[Reference, tuple[Method, ...]] = {}
    for event in chunk.events:
        name = chunk.at(event.get("object"), "type", "name", "string")
        trace = event.get("stackTrace")
        if isinstance(name, str) and isinstance(trace, Reference):
            if trace not in stacks:
                stacks[trace] = tuple(_methods(chunk, trace))
            size = _array_bytes(name, event.get("arrayElements"))
            weights[name[:_LONGEST_NAME], size >= BUFFER_BYTES, stacks[trace]] += max(size, BUFFER_BYTES)
    return weights


def _methods(chunk: Chunk, trace: RecordedValue) -> Iterator[Method]:
    frames = chunk.at(trace, "frames")
    for frame in frames[:_MOST_FRAMES] if isinstance(frames, tuple) else ():
        of_class = chunk.at(frame, "method", "type", "name", "string")
        name, line = chunk.at(frame, "method", "name", "string"), chunk.at(frame, "lineNumber")
        if isinstance(of_class, str) and isinstance(name, str):
            known = line if isinstance(line, int) and 1 <= line <= _LAST_LINE else None
            yield Method(of_class[:_LONGEST_NAME], name[:_LONGEST_NAME], known)


_LAST_LINE = 65_535
"""The last line that a class file can name (Java Virtual Machine Specification, 4.7.12)."""
_ARRAY_HEADER_BYTES = 16
_ELEMENT_BYTES = {"Z": 1, "B": 1, "C": 2, "S": 2, "I": 4, "F": 4, "J": 8, "D": 8}
_REFERENCE_BYTES = 4


def _array_bytes(name: str, elements: RecordedValue) -> int:
    """Return the size of an array. Other objects have no place in the event for theirs, and are small: 0."""
    if not name.startswith("[") or not isinstance(elements, int) or not 0 <= elements < 1 << 31:
        return 0
    return _ARRAY_HEADER_BYTES + elements * _ELEMENT_BYTES.get(name[1:2], _REFERENCE_BYTES)
