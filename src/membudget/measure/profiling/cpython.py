"""Profiles CPython by memray or tracemalloc. `in_python/sitecustomize.py` starts it, and answers a signal.

memray counts all memory that a process takes, by the calls that asked for it. It is a native module, so a wheel has to
fit the interpreter (memray_folder.py), and it can be read only once, at the end. It then knows what was held at the
process's own peak. tracemalloc can be read at any time, and counts what Python's allocators have given out.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from membudget.measure.inputs import with_python_module
from membudget.measure.live_heap.anonymous_files import content, numbered_files
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.live_heap.signalled import ASKED_BY
from membudget.measure.profiling.heap_profile import MOST_FRAMES, Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.messages import MOST_SAID_BYTES
from membudget.measure.profiling.profiler import IN_CONTAINER, Profiler, ServiceSeen
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import TrialInputs

IN_PYTHON = Path(__file__).parent / "in_python"
MEMRAY_AT_PEAK, MEMRAY_NOW = f"{IN_CONTAINER}-memray", f"{IN_CONTAINER}-memray-now"
"""Where memray is in the container. The name says which of its sums are wanted: to read either takes 0.1 s."""
_ANSWER_FILE = re.compile(r"/memfd:membudget-profile-(\d{1,9}) \(deleted\)")
_END = b"\nE\n"
_POLL_S = 0.01
_AGAIN_S = 2.0
"""How often it is asked. See `live_heap/signalled.py`."""
_MOST_LINES = 100_000


def capture(process: RunningRuntime, deadline: float) -> bytes:
    """Return the lines that a Python process says of its memory. Raises NoAnswer, OSError and TimeoutError."""
    if ASKED_BY not in process.caught:
        raise NoAnswer("it cannot be asked: it runs with -I, -E or -S, or not in its main thread")
    before = max((number for number, _ in numbered_files(process.folder, _ANSWER_FILE, deadline)), default=0)
    asked_at = float("-inf")
    while True:
        answers = numbered_files(process.folder, _ANSWER_FILE, deadline)
        new = [descriptor for number, descriptor in answers if number > before]
        if new:
            said = content(process.folder, new[0], MOST_SAID_BYTES)
            if said.endswith(_END) or said == _END[1:]:
                return said
            if len(said) >= MOST_SAID_BYTES:
                raise NoAnswer("its answer is too large")
        elif time.monotonic() - asked_at >= _AGAIN_S:
            process.signal(ASKED_BY)
            asked_at = time.monotonic()
        time.sleep(_POLL_S)


def read(raw: bytes) -> HeapProfile:
    """Return the profile that a Python process wrote. Raises ValueError."""
    lines = raw.decode().split("\n")
    if len(lines) > _MOST_LINES:
        raise ValueError(f"more than {_MOST_LINES:,} lines")
    frames: list[Frame] = []
    held: list[tuple[tuple[Frame, ...], int]] = []
    rest = 0
    profiled_by = ProfiledBy.TRACEMALLOC
    for line in lines:
        match line.split("\t"):
            case ["M"]:
                profiled_by = ProfiledBy.MEMRAY
            case ["N", name, file, number, is_library]:
                frames.append(Frame(name, file, _number(number) or None, is_library == "1"))
            case ["S", size, calls]:
                held.append((_stack(calls, frames), _number(size)))
            case ["R", size]:
                rest = _number(size)
            case ["X", said]:
                raise ValueError(said[:300])
            case ["E"] | [""]:
                pass
            case _:
                raise ValueError("a line that is none of a profile")
    return HeapProfile.of(profiled_by, held, rest)


def _stack(calls: str, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    numbers = [_number(call) for call in calls.split(",", MOST_FRAMES)[:MOST_FRAMES]]
    if max(numbers) >= len(frames):
        raise ValueError("a stack names a frame that is not in the profile")
    return tuple(frames[call] for call in numbers)


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 15):
        raise ValueError("a number that is none")
    return int(text)


def prepared(inputs: TrialInputs, seen: ServiceSeen) -> TrialInputs:
    """Return `inputs` with which Python starts memray or tracemalloc. Other programs do not notice."""
    inputs = with_python_module(inputs, seen.image_variables.get("PYTHONPATH"), IN_CONTAINER, IN_PYTHON)
    if seen.memray is None:
        return inputs
    path = MEMRAY_NOW if seen.wants_kept else MEMRAY_AT_PEAK
    return replace(inputs, volumes={**inputs.volumes, path: seen.memray})


TRACEMALLOC = Profiler(
    AskableRuntime.CPYTHON,
    frozenset({RuntimeKind.PYTHON}),
    capture,
    read,
    prepare=prepared,
    is_inside=False,
)
