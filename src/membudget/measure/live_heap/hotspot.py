"""Asks a HotSpot JVM for its live heap, by the protocol that `jcmd` uses. The image needs no `jcmd` for that.

A file `.attach_pid<PID>` in the JVM's working folder or in /tmp, and then SIGQUIT, make it listen on the Unix socket
`/tmp/.java_pid<PID>` (attachListener_posix.cpp). The user must be the JVM's own. The class histogram does a full
collection first and ends with the number and the bytes of all live objects (heapInspection.cpp). In contrast to "heap
used", its total does not depend on the collector's regions.

Serial and Parallel leave up to a twentieth of the heap as it is, dead objects included, unless it is the fourth
collection (MarkSweepAlwaysCompactCount) or one that the user asked for (UseMaximumCompactionOnSystemGC). Dead objects
then count as live. So the JVM collects four times, once by GC.run, and the smallest total counts. What the first
collection finds may be freed only after its finalizer or cleaner has run.
"""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.runtimes import RunningRuntime

_PAUSE_S = 0.2
"""The time for finalizers and cleaners."""
_MOST_BYTES = 32 << 20
"""The longest histogram. It has a line of about 80 bytes for each loaded class."""
_KEPT_BYTES = 4096
_POLL_S = 0.02
_TOTAL = re.compile(rb"^Total\s+(\d{1,18})\s+(\d{1,18})\s*\Z", re.MULTILINE)


def live_bytes(process: RunningRuntime, deadline: float) -> int:
    """Return the bytes of all live objects. Runs confined beside the JVM.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    path = Path(f"/tmp/.java_pid{process.pid}")  # noqa: S108 - HotSpot's own name
    if not path.exists():
        _make_it_listen(process, path, deadline)
    first = histogram_bytes(path, deadline)
    time.sleep(_PAUSE_S)
    _asked(path, "GC.run", deadline)
    return min(first, histogram_bytes(path, deadline), histogram_bytes(path, deadline))


def _make_it_listen(process: RunningRuntime, path: Path, deadline: float) -> None:
    if signal.SIGQUIT not in process.caught:
        raise NoAnswer("it does not handle SIGQUIT, by which a JVM is asked")
    with _attach_file(process.pid):
        process.signal(signal.SIGQUIT)
        while not path.exists():
            if time.monotonic() > deadline:
                raise NoAnswer("it did not open its attach socket in time (-XX:+DisableAttachMechanism, or no HotSpot)")
            time.sleep(_POLL_S)


@contextmanager
def _attach_file(pid: int) -> Iterator[None]:
    """Provide the file that makes SIGQUIT a request to listen. Otherwise the JVM prints its threads."""
    name = f".attach_pid{pid}"
    refused: OSError | None = None
    for path in (Path(name), Path("/tmp", name)):  # noqa: S108 - HotSpot looks in these two places
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            refused = error
            continue
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
        return
    raise NoAnswer(f"a JVM needs a writable /tmp to be asked: {refused.strerror if refused else ''}")


def histogram_bytes(path: Path, deadline: float) -> int:
    """Let the JVM collect and count. Return the bytes of all live objects.

    Raises NoAnswer, OSError and TimeoutError.
    """
    return total_bytes(_asked(path, "GC.class_histogram", deadline))


def _asked(path: Path, command: str, deadline: float) -> bytes:
    """Return the end of what the JVM says to a command."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_left(deadline))
        connection.connect(str(path))
        connection.sendall(b"1\0jcmd\0" + command.encode() + b"\0\0\0")
        head, tail = _received(connection, deadline)
    if not head.startswith(b"0\n"):
        said = head.decode(errors="replace").split("\n", 2)
        raise NoAnswer(f"the JVM refused: {said[1] if any(said[1:2]) else said[0]}")
    return tail


def total_bytes(end: bytes) -> int:
    """Return the total of a class histogram, given its end. Raises NoAnswer."""
    total = _TOTAL.search(end.rstrip())
    if total is None:
        raise NoAnswer("the JVM's class histogram has no total")
    return int(total[2])


def _received(connection: socket.socket, deadline: float) -> tuple[bytes, bytes]:
    """Return the beginning and the end of an answer."""
    head = tail = b""
    count = 0
    while True:
        connection.settimeout(_left(deadline))
        data = connection.recv(1 << 16)
        if not data:
            return head, tail
        count += len(data)
        if count > _MOST_BYTES:
            raise NoAnswer(f"its class histogram is longer than {_MOST_BYTES >> 20} MiB")
        head = (head + data)[:_KEPT_BYTES] if len(head) < _KEPT_BYTES else head
        tail = (tail + data)[-_KEPT_BYTES:]


def _left(deadline: float) -> float:
    """Return the time that is left, in seconds. Raises TimeoutError."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
