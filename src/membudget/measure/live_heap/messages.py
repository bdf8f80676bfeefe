"""The messages between the program that asks runtimes and the rest of membudget: one JSON object per line."""

from dataclasses import dataclass
from enum import StrEnum

MOST_PROCESSES = 64
"""The most runtimes in one container that are asked."""
LONGEST_REASON = 300


class AskableRuntime(StrEnum):
    """A runtime that can be asked for what it holds. Only the first four can be asked for their live heaps."""

    HOTSPOT = "JVM"
    NODE = "Node"
    CPYTHON = "CPython"
    RUBY = "Ruby"
    GO = "Go"
    PROGRAM = "program"
    """Any other program, of which only the kernel can be asked."""


@dataclass(frozen=True, slots=True)
class HeapOrder:
    """An order to ask all runtimes in a container."""

    first_pid: int | None
    """A process of the container. None if the program already sees the container's processes only."""
    timeout_s: float
    """How long each runtime may take."""


@dataclass(frozen=True, slots=True)
class ProcessHeap:
    """What one runtime answered: its live heap, or the reason why there is none."""

    pid: int
    """The process ID inside the container."""
    runtime: AskableRuntime
    heap_bytes: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HeapAnswer:
    """What all runtimes of a container answered."""

    heaps: tuple[ProcessHeap, ...]
    fault: str | None = None
    """Why the container's processes could not be looked at."""
