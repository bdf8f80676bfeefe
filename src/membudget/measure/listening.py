"""The TCP sockets that a service listens on, from its network namespace. Its log is only a hint.

The kernel's tables (proc_pid_net(5), `tcp` and `tcp6`) have one socket per line, listening ones first. Does no I/O but
`read_listening`.
"""

import re
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from membudget.core.files import Stored

_LISTEN = "0A"
_TABLES = ("tcp", "tcp6")
_MOST_BYTES = 1 << 16
"""How much of a table is read. Listening sockets come first, about 150 bytes each."""
_MOST_SOCKETS = 20
_ANYWHERE = ("0.0.0.0", "::", "::ffff:0.0.0.0")  # noqa: S104 - compared with, never bound
_OVER_LOOPBACK = (*_ANYWHERE, "127.0.0.1", "::ffff:127.0.0.1")
_ENGINES_DNS = "127.0.0.11"
"""Docker's own name server listens here in each network namespace of a user-defined network."""


AnyPort = Annotated[int, Field(ge=0, le=65535)]
IpAddress = Annotated[str, Field(max_length=45)]


@dataclass(frozen=True, slots=True, order=True)
class Listening(Stored):
    """A listening TCP socket."""

    port: AnyPort
    address: IpAddress

    @property
    def is_reachable(self) -> bool:
        """Whether a client reaches the socket at 127.0.0.1."""
        return self.address in _OVER_LOOPBACK

    def __str__(self) -> str:
        if self.address in _ANYWHERE:
            return f"port {self.port}"
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def read_listening(folder: Path = Path("/proc/self/net")) -> tuple[Listening, ...]:
    """Return the listening sockets of this process's network namespace. A table that cannot be read has none."""
    return tuple(sorted({one for name in _TABLES for one in parse_listening(_read(folder / name))})[:_MOST_SOCKETS])


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("ascii", "replace")
    except OSError:
        return ""


def parse_listening(table: str) -> Iterator[Listening]:
    """Yield the listening sockets of a table."""
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == _LISTEN and (found := _socket(words[1])) is not None:
            yield found


def _socket(local: str) -> Listening | None:
    """Parse an address as the kernel writes it: words of 32 bits in the machine's byte order, then the port."""
    address, _, port = local.partition(":")
    try:
        words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
        family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
        readable = socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
        return Listening(int(port, 16), readable) if readable != _ENGINES_DNS else None
    except (ValueError, struct.error):  # the last line may be cut
        return None


def chosen(listening: Iterable[Listening], preferred: Sequence[int]) -> Listening | None:
    """Return the socket to talk to, or None if there is none.

    Sockets that clients reach come first, then preferred ports, then low ones.
    """

    def rank(one: Listening) -> tuple[bool, int, int]:
        wanted = preferred.index(one.port) if one.port in preferred else len(preferred)
        return (not one.is_reachable, wanted, one.port)

    return min(listening, key=rank, default=None)


def places(listening: Iterable[Listening]) -> tuple[str, ...]:
    """Return where a service listens, for people. A port that is open over IPv4 and IPv6 is one place."""
    return tuple(dict.fromkeys(map(str, listening)))


_LOG_PORT = re.compile(
    r"(?:\b(?:listen|port|serv|bind|bound|ready|start|run)\w*\b[^\n]{0,60}?|://[\w.\[\]:*-]{1,60}?)"
    r"[:\s#=](?P<port>[1-9]\d{1,4})\b(?![.:\d])",
    re.IGNORECASE,
)
_LONGEST_LINE = 300


def ports_in_log(lines: Iterable[str]) -> tuple[int, ...]:
    """Return the ports that a service's output names as its own, in the order of the lines, each once."""
    found = (int(match["port"]) for line in lines for match in _LOG_PORT.finditer(line[:_LONGEST_LINE]))
    return tuple(dict.fromkeys(port for port in found if 80 <= port < 1 << 16))
