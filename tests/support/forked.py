"""Processes of membudget that start at once, for a server has imported it (tests/support/fork_server.py)."""

import atexit
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import processes
from tests.support import fork_server

_AT_START = ("LANG", "LC_", "LD_", "PYTHON")
"""How the names of variables begin that Python reads when it starts."""


class Forked(subprocess.Popen[str]):
    """`membudget ARGUMENTS`: a child of this process, as if it had been started by a program."""

    def __init__(self, arguments: tuple[str, ...], folder: Path | None, environ: Mapping[str, str]) -> None:
        self._asked = {"arguments": arguments, "folder": str(folder or Path.cwd()), "environ": dict(environ)}
        super().__init__(
            ["membudget", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _execute_child(self, *given: Any) -> None:
        """Clone instead of starting a program. All else is subprocess's: a child's pid is all that it wants."""
        base: Any = super()
        files = inspect.signature(base._execute_child).bind(*given).arguments
        try:
            self.pid = _server().start(self._asked, files["p2cread"], files["c2pwrite"], files["errwrite"])
            self._child_created = True
        finally:
            base._close_pipe_fds(*(files[name] for name in _PIPES))


_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def is_possible(environ: Mapping[str, str]) -> bool:
    """Whether a process with this environment can be a clone of the server, which has this process's."""
    if fork_server.why_none() is not None:
        return False
    return all(environ.get(name) == os.environ.get(name) for name in {*environ, *os.environ} if _is_read_at_start(name))


def _is_read_at_start(name: str) -> bool:
    return name.startswith(_AT_START)


class _Server:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking, asked = socket.socketpair()
        with asked, processes.default_signals():
            command = [sys.executable, "-m", fork_server.__name__, str(asked.fileno())]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[asked.fileno()],
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )

    def start(self, asked: Mapping[str, Any], *streams: int) -> int:
        """The id of a new process."""
        request = os.memfd_create("request")
        network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.write(request, json.dumps(asked).encode())
            os.lseek(request, 0, os.SEEK_SET)
            with self._lock:
                socket.send_fds(self._asking, [b"\n"], [*streams, network, request])
                told = self._asking.recv(fork_server.PID.size, socket.MSG_WAITALL)
        finally:
            os.close(request)
            os.close(network)
        (pid,) = fork_server.PID.unpack(told) if told else (0,)
        if pid == 0:
            raise ChildProcessError(f"{fork_server.__name__} cannot start membudget: its standard error says why")
        return int(pid)

    def end(self) -> None:
        """End it; what it cloned goes on."""
        self._asking.close()
        self._process.wait()


_SERVERS: list[_Server] = []
_STARTING = threading.Lock()


def _server() -> _Server:
    """The one server of this process, which ends with it."""
    with _STARTING:
        if not _SERVERS:
            _SERVERS.append(_Server())
            atexit.register(_SERVERS[0].end)
        return _SERVERS[0]
