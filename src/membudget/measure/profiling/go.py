"""Profiles a Go program that serves `net/http/pprof`: the call sites of all live objects.

The program is found by asking each listening port of its network for its command line, which is one of pprof's pages.
Then /debug/pprof/heap?gc=1&debug=1 collects, and lists sampled objects with their stacks as text (runtime/pprof,
writeHeapInternal). Without a collection first, the list has nothing that is younger than the last one.

Samples are scaled as pprof does (scaleHeapSample in github.com/google/pprof, profile/legacy_profile.go): an object is
sampled with a probability that depends on its size and the rate.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from membudget.measure.listening import parse_listening
from membudget.measure.live_heap.confined import NoAnswer, left_s
from membudget.measure.live_heap.runtimes import RunningRuntime, read_file
from membudget.measure.profiling.profiler import ServiceSeen
from membudget.measure.trial import TrialInputs

SAMPLING_BYTES = 64 << 10
"""How many allocated bytes have one sample on average in a profiled trial. Go's own default is 512 KiB.

Some versions ignore GODEBUG for it, such as 1.19 (https://github.com/golang/go/issues/55100).
"""
_MOST_PORTS = 20
_PORT_S = 3.0
"""How long a port may take to say whether pprof is behind it."""
_MOST_BYTES = 64 << 20
_LONGEST_COMMAND_LINE_BYTES = 1 << 16
_LONGEST_ANSWER_BYTES = 3 << 20
_OK, _NOT_FOUND = 200, 404
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
_LONGEST_END_BYTES = 1 << 14
"""The figures of the whole program, at the end of the text. The pauses of collections are among them."""
_HEADING = re.compile(rb"heap profile: \d+: \d+ \[\d+: \d+\] @ heap/\d{1,12}(?=\n)")
_FIGURE = re.compile(rb"^# (?:Stack|HeapAlloc) = \d{1,18}(?: / \d{1,18})?$", re.MULTILINE)
_MOST_FIGURES = 2
_STACK = re.compile(rb"^\d{1,18}: (\d{1,18}) \[[^\n]{1,5000}(?:\n#\t[^\n]{1,1000}(?=\n)){0,64}", re.MULTILINE)
"""A stack, of which a profile keeps 40 calls."""
_HEAP = "heap?gc=1&debug=1"
_NOT_SERVED = 'it serves no heap profile: import _ "net/http/pprof" in the program to see call sites'


def prepared(inputs: TrialInputs, seen: ServiceSeen) -> TrialInputs:
    """Return `inputs` with which Go samples more often. Other programs do not notice."""
    given = inputs.environment.get("GODEBUG", seen.image_variables.get("GODEBUG", ""))
    rate = f"memprofilerate={SAMPLING_BYTES}"
    return replace(inputs, environment={**inputs.environment, "GODEBUG": f"{given},{rate}".lstrip(",")})


def capture(process: RunningRuntime, deadline: float) -> bytes:
    """Return the heap profile of a Go program, as text of pprof with its largest stacks. Runs confined beside it.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    command_line = read_file("cmdline", process.folder).rstrip("\0")
    said = {port: _command_line(port, deadline) for port in _ports(process)}
    for port in (port for port, one in said.items() if one == command_line != ""):
        return largest(_asked(port, _HEAP, _MOST_BYTES, deadline))
    for port in (port for port, one in said.items() if one == ""):  # it may serve the page of the heap alone
        with suppress(NoAnswer, OSError):
            return largest(_asked(port, _HEAP, _MOST_BYTES, deadline))
    raise NoAnswer(_NOT_SERVED)


def _ports(process: RunningRuntime) -> list[int]:
    tables = (read_file(f"net/{name}", process.folder) for name in ("tcp", "tcp6"))
    listening = {one.port for table in tables for one in parse_listening(table) if one.is_reachable}
    return sorted(listening)[:_MOST_PORTS]


def _command_line(port: int, deadline: float) -> str | None:
    """Return the command line of the program behind a port: "" if that page is missing, None if it is no pprof.

    Other services may be behind it, and say anything.
    """
    try:
        said = _asked(port, "cmdline", _LONGEST_COMMAND_LINE_BYTES, min(deadline, time.monotonic() + _PORT_S))
    except _Refused as error:
        return "" if error.status == _NOT_FOUND else None
    except (NoAnswer, OSError):
        return None
    return said.decode(errors="replace").rstrip("\0")


class _Refused(NoAnswer):
    def __init__(self, status: int) -> None:
        super().__init__(f"pprof refused: HTTP status {status}")
        self.status = status


def _asked(port: int, page: str, most_bytes: int, deadline: float) -> bytes:
    """Return a page of pprof. Raises NoAnswer, OSError and TimeoutError.

    In HTTP/1.0 an answer ends with the connection. Modules such as http.client import others only when they are used,
    which must not happen among the files of a container.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(left_s(deadline))
        connection.connect(("127.0.0.1", port))
        connection.sendall(f"GET /debug/pprof/{page} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = bytearray()
        while data := connection.recv(1 << 16):
            answer += data
            if len(answer) > most_bytes:
                raise NoAnswer(f"its heap profile is longer than {most_bytes >> 20} MiB")
            connection.settimeout(left_s(deadline))
    status = _STATUS.match(answer)
    if status is None:
        raise NoAnswer("pprof gave no answer of HTTP")
    if int(status[1]) != _OK:
        raise _Refused(int(status[1]))
    return bytes(answer[status.end() :])


def largest(text: bytes) -> bytes:
    """Return a heap profile with its largest stacks only, within bounds. Raises NoAnswer if it is none."""
    heading = _HEADING.match(text)
    if heading is None:
        raise NoAnswer("pprof gave no heap profile as text")
    kept = [heading[0], *_FIGURE.findall(text, max(0, len(text) - _LONGEST_END_BYTES))[:_MOST_FIGURES]]
    length = 0
    for _, stack in sorted(_stacks(text), key=_in_use, reverse=True):
        length += len(stack) + 1
        if length > _LONGEST_ANSWER_BYTES:
            break
        kept.append(stack)
    if not length:
        raise NoAnswer("its heap profile has no stack")
    return b"\n".join(kept) + b"\n"


def _stacks(text: bytes) -> Iterator[tuple[int, bytes]]:
    for match in _STACK.finditer(text):
        if match[1].strip(b"0"):
            yield int(match[1]), match[0]


def _in_use(stack: tuple[int, bytes]) -> int:
    return stack[0]
