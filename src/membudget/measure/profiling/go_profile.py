"""Makes a heap profile of pprof's text."""

import math
import re
from collections.abc import Iterator

from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.profiling.go import SAMPLING_BYTES, capture, prepared
from membudget.measure.profiling.heap_profile import MOST_FRAMES, Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.profiler import Profiler
from membudget.measure.runtimes.runtime import RuntimeKind

_HEADING = re.compile(r"heap profile: [^\n@]*@ heap/(\d{1,12})\n")
_GOROUTINES = re.compile(r"^# Stack = (\d{1,18}) / \d{1,18}$", re.MULTILINE)
_OBJECTS = re.compile(r"^# HeapAlloc = (\d{1,18})$", re.MULTILINE)
_MOST_CORRECTION = 2.0
_UNKNOWN = Frame("?", is_library=True, in_live_heap=False)
"""No memory of Go is in `live_heap`, which does not ask Go."""
_STACK = re.compile(r"^(\d{1,18}): (\d{1,18}) \[[^\n]*((?:\n#\t[^\n]*)*)", re.MULTILINE)
_CALL = re.compile(r"^#\t0x[0-9a-f]+(?:\t+([^\t\n]+)\+0x[0-9a-f]+\t+([^\t\n]+):(\d{1,9}))?$", re.MULTILINE)


def read(raw: bytes) -> HeapProfile:
    """Return the profile. Raises ValueError if `raw` is not what `capture` returns."""
    text = raw.decode(errors="replace")
    heading = _HEADING.match(text)
    if heading is None:
        raise ValueError("it is no heap profile of pprof")
    # The text has twice the rate (runtime/pprof, writeHeapInternal).
    return HeapProfile.of(ProfiledBy.PPROF, _held(text, int(heading[1]) // 2))


def _held(text: str, rate: int) -> Iterator[tuple[tuple[Frame, ...], int]]:
    goroutines = _GOROUTINES.search(text)
    if goroutines is not None:
        yield (Frame("goroutine stacks", is_library=True, in_live_heap=False),), int(goroutines[1])
    stacks = [(stack[3], scaled(int(stack[1]), int(stack[2]), rate)) for stack in _STACK.finditer(text)]
    factor = _corrected(text, sum(size for _, size in stacks)) if rate > SAMPLING_BYTES else 1.0
    for calls, size in stacks:
        yield tuple(_frames(calls)) or (_UNKNOWN,), int(size * factor)


def _corrected(text: str, sampled_bytes: int) -> float:
    """Return what to multiply sampled bytes with, so that they add up to the bytes of all objects.

    With Go's own rate, 40 MiB in small objects have 80 samples: the estimate is wrong by 11 % (one standard deviation).
    """
    objects = _OBJECTS.search(text)
    if objects is None or sampled_bytes == 0:
        return 1.0
    return min(_MOST_CORRECTION, max(1 / _MOST_CORRECTION, int(objects[1]) / sampled_bytes))


def scaled(count: int, sampled_bytes: int, rate: int) -> int:
    """Return how many bytes the samples of one stack stand for, with one sample in `rate` bytes on average.

    Source: scaleHeapSample in github.com/google/pprof, profile/legacy_profile.go.
    """
    if count == 0 or sampled_bytes == 0 or rate <= 1:
        return sampled_bytes
    return int(sampled_bytes / (1 - math.exp(-sampled_bytes / count / rate)))


def _frames(calls: str) -> Iterator[Frame]:
    for number, call in enumerate(_CALL.finditer(calls)):
        if number == MOST_FRAMES:
            return
        if call[1] is None:
            yield _UNKNOWN
        else:
            yield Frame(call[1], call[2], int(call[3]), _is_library(call[1], call[2]), in_live_heap=False)


def _is_library(function: str, file: str) -> bool:
    """Whether a function belongs to Go itself, or to a module that was downloaded or vendored.

    Files of the standard library, and vendored ones, are in a folder with the path of their package. Some functions of
    the standard library are written in another of its packages (go:linkname in cmd/compile).
    """
    package = _package(function)
    folder = file.rpartition("/")[0]
    linked = (place for place in _LINKED if place.rpartition("/")[2] != package.rpartition("/")[2])
    if package.partition("/")[0] in _STANDARD and any(
        folder in ("", place) or folder.endswith(f"/src/{place}") for place in (package, *linked)
    ):
        return True
    return "@v" in file or folder.endswith(f"/vendor/{package}")


def _package(function: str) -> str:
    """Return the path of a function's package. Dots in its last element are escaped (cmd/internal/objabi)."""
    path, slash, last = function.partition("[")[0].rpartition("/")
    return path + slash + last.partition(".")[0].replace("%2e", ".")


_LINKED = ("runtime", "internal/runtime/maps")
"""Packages of the standard library that hold functions of its other packages."""
_STANDARD = frozenset(
    (
        *("archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug"),
        *("embed", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal"),
        *("io", "iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime"),
        *("slices", "sort", "strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode"),
        *("unique", "unsafe", "vendor", "weak"),
    )
)
"""The first elements of the paths of Go's own packages (pkg.go.dev/std). None has a dot, as domains have."""


PPROF = Profiler(AskableRuntime.GO, frozenset({RuntimeKind.GO}), capture, read, prepared)
