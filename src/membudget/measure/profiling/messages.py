"""The messages between the program that takes heap profiles and the rest of membudget: one JSON object per line.

The answer to an order begins with the number of processes. Pieces of what they said follow, and a last line. Uses the
standard library only.
"""

from dataclasses import dataclass

from membudget.measure.live_heap.messages import AskableRuntime

MOST_PROFILED = 16
"""The most processes of one container that are profiled: those with the most memory."""
MOST_SAID_BYTES = 4 << 20
"""The most that one process may say, in bytes."""
PIECE_BYTES = 384 << 10
"""The most of that in one line. Base64 makes it a third longer."""


@dataclass(frozen=True, slots=True)
class ProfileOrder:
    """An order to profile the processes of a container that run one runtime."""

    runtime: AskableRuntime
    program: str | None
    """The name of the program whose processes are meant, beside those that are known to run `runtime`. None: processes
    of any program, if `runtime` is any program.
    """
    first_pid: int | None
    """A process of the container. None if the program already sees the container's processes only."""
    timeout_s: float
    """How long each process may take."""
    all_s: float
    """How long all of them may take together."""


@dataclass(frozen=True, slots=True)
class AnswerBegun:
    """The beginning of an answer."""

    processes: int
    """How many processes of the container are meant, also those that are too many to be profiled."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of what one process said, or the reason why it said nothing."""

    pid: int
    """The process ID inside the container."""
    base64: str = ""
    is_last: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer."""

    fault: str | None = None
    """Why the container's processes could not be looked at."""
