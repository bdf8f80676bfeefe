"""Profiles any program by the kernel's view of it alone: which of its mappings hold memory (/proc/PID/smaps, proc(5)).

Nothing is prepared. It says what kind of memory grew, and not which code made it grow.
"""

import os
import time
from collections import Counter
from pathlib import PurePosixPath

from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.probe.readings import KIB
from membudget.measure.probe.smaps import LARGEST_SMAPS_BYTES, kind_of, mappings, parse_smaps, path_of, tmpfs_devices
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.profiler import Profiler
from membudget.measure.profiling.summary import profile_of, summary_of

_LARGEST_MOUNTS_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
HEAP, STACK, ARENAS, ANONYMOUS = "[heap]", "[stack]", "[malloc arenas]", "[anonymous]"
"""The mappings without a file: what brk(2) gave, the main thread's stack, arenas of glibc's malloc, and the rest."""


def capture(process: RunningRuntime, deadline: float) -> bytes:
    """Return a summary of a process's mappings. Runs outside of the container.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    smaps = _content(process.folder, "smaps", LARGEST_SMAPS_BYTES, deadline)
    if not smaps:
        raise NoAnswer("it has just ended")
    mounts = _content(process.folder, "mountinfo", _LARGEST_MOUNTS_BYTES, deadline)
    executable = os.readlink("exe", dir_fd=process.folder).removesuffix(" (deleted)")
    program = Frame(PurePosixPath(executable).name, executable)
    return summary_of(((Frame(name), program), size) for name, size in held_by(smaps, mounts).items())


def held_by(smaps: bytes, mountinfo: bytes = b"") -> dict[str, int]:
    """Return the bytes of each mapped file, and of each kind of mapping without a file.

    They add up to the process's part of RSS: pages of files that could be read again are not in it, and of a page that
    several processes share, each has its part.
    """
    tmpfs = tmpfs_devices(mountinfo)
    total = parse_smaps(smaps, tmpfs)
    held: Counter[str] = Counter()
    for _, device, name, values in mappings(smaps):
        kind = "shared_memory" if device in tmpfs else kind_of(name)
        if kind in {"file", "shared_memory"}:
            size = values["Pss"] if kind == "shared_memory" else min(values["Pss"], values["Anonymous"])
            held[path_of(name)] += size * KIB
    named = held.total()
    held[HEAP], held[STACK] = total.kinds["heap"], total.kinds["stack"]
    rest = total.held_anon + total.held_shmem - named - held[HEAP] - held[STACK]
    held[ARENAS] = max(0, min(rest, total.arena_bytes))
    held[ANONYMOUS] = max(0, rest - held[ARENAS])
    return dict(+held)


def _content(folder: int, name: str, longest_bytes: int, deadline: float) -> bytes:
    data = bytearray()
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while len(data) < longest_bytes and (piece := file.read(_PIECE_BYTES)):
            data += piece
            if time.monotonic() > deadline:
                raise TimeoutError
    return bytes(data)


def read(raw: bytes) -> HeapProfile:
    """Return the profile in a summary. Raises ValueError.

    A mapping may have live objects and garbage, so none is known to be part of the live heap.
    """
    return profile_of(raw, ProfiledBy.SMAPS, _frame, in_live_heap=False)


def _frame(name: str, file: str | None, line: int | None) -> Frame:
    """Return the frame of a mapping, or of the program around it, which has a file."""
    return Frame(name, file, line, is_library=file is not None)


SMAPS = Profiler(AskableRuntime.PROGRAM, frozenset(), capture, read, is_inside=False)
