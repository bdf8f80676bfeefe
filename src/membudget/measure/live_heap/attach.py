"""HotSpot's attach protocol, which `jcmd` uses. The image needs no `jcmd` for that.

A file `.attach_pid<PID>` in the JVM's working folder or in /tmp, and then SIGQUIT, make it listen on the Unix socket
`/tmp/.java_pid<PID>` (attachListener_posix.cpp). The user must be the JVM's own.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from membudget.measure.live_heap.confined import NoAnswer, left_s
from membudget.measure.live_heap.runtimes import RunningRuntime

_MOST_BYTES = 32 << 20
"""The longest answer. A class histogram has a line of about 80 bytes for each loaded class."""
_LONGEST_REFUSAL_BYTES = 4096
_POLL_S = 0.02


def attached(process: RunningRuntime, deadline: float) -> Path:
    """Make a JVM listen, unless it does already, and return its socket. Runs confined beside the JVM.

    Raises NoAnswer and OSError.
    """
    path = Path(f"/tmp/.java_pid{process.pid}")  # noqa: S108 - HotSpot's own name
    if path.exists():
        return path
    if signal.SIGQUIT not in process.caught:
        raise NoAnswer("it does not handle SIGQUIT, by which a JVM is asked")
    with _attach_file(process.pid):
        process.signal(signal.SIGQUIT)
        while not path.exists():
            if time.monotonic() > deadline:
                raise NoAnswer("it did not open its attach socket in time (-XX:+DisableAttachMechanism, or no HotSpot)")
            time.sleep(_POLL_S)
    return path


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


def said(path: Path, command: str, deadline: float) -> bytes:
    """Return what the JVM says to a command of `jcmd`.

    Raises NoAnswer if it refuses or says more than 32 MiB, OSError, and TimeoutError at the deadline.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(left_s(deadline))
        connection.connect(str(path))
        connection.sendall(b"1\0jcmd\0" + command.encode() + b"\0\0\0")
        answer = _received(connection, command, deadline)
    if not answer.startswith(b"0\n"):
        lines = answer[:_LONGEST_REFUSAL_BYTES].decode(errors="replace").split("\n", 2)
        raise NoAnswer(f"the JVM refused: {lines[1] if any(lines[1:2]) else lines[0]}")
    return bytes(answer[2:])


def _received(connection: socket.socket, command: str, deadline: float) -> bytearray:
    answer = bytearray()
    while True:
        connection.settimeout(left_s(deadline))
        data = connection.recv(1 << 16)
        if not data:
            return answer
        answer += data
        if len(answer) > _MOST_BYTES:
            raise NoAnswer(f"its answer to {command.split(maxsplit=1)[0]} is longer than {_MOST_BYTES >> 20} MiB")
