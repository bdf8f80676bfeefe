"""A process that has imported membudget, and becomes it again and again: `python -m tests.support.fork_server FD`.

Importing takes 0.8 s of CPU time, and tests start membudget hundreds of times. What is cloned here is a process like
any other: a child of the tests' process, with an environment, a folder, a session and files of its own.

FD is a socket. Each message on it brings five files: standard input, output and errors, the network namespace, and the
request as JSON. The answer is the new process's id, once it has all of that; 0 if it cannot have it. The server ends
with the socket.
"""

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import platform
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PID = struct.Struct("=q")
FILES = 5
_CLONE_PARENT, _CLONE_NEWNET = 0x8000, 0x40000000
_CLONE = {"x86_64": 56, "aarch64": 220}
"""The number of clone(2) by architecture. All other arguments than the flags are 0, so their order does not matter."""


def why_none() -> str | None:
    """Why there can be no such process here; None where there can be one."""
    return None if sys.platform == "linux" and platform.machine() in _CLONE else "clone(2) is not known here"


def main() -> int:
    """Serve until the socket is closed. In a new process: the exit code of membudget."""
    from membudget import cli

    for module in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # or each collection in a new process would copy what all share
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        while True:
            message, files, _, _ = socket.recv_fds(asked, 1, FILES)
            if not message:
                return 0
            if _clone() == 0:
                break
            for file in files:
                os.close(file)
        try:
            arguments = _become(files)
        except BaseException:
            asked.sendall(PID.pack(0))
            raise
        asked.sendall(PID.pack(os.getpid()))
    from membudget.cli.main import main as run

    return run(arguments)


def _clone() -> int:
    """Fork, for the process whose child this one is: the new process's id, and 0 in it.

    Python's own part of a fork follows, as after os.fork(). There is one thread here, so nothing is locked.
    """
    python = ctypes.PyDLL(None)  # does not release the interpreter's lock
    python.syscall.restype = ctypes.c_long
    python.PyOS_BeforeFork()
    pid = int(python.syscall(_CLONE[platform.machine()], _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0))
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    assert pid >= 0, "clone(2) fails"
    return pid


def _become(files: list[int]) -> list[str]:
    """Take over the files, and what the request says. Returns membudget's arguments."""
    *streams, network, request = files
    os.setsid()
    for number, file in enumerate(streams):
        os.dup2(file, number)
    if os.fstat(network).st_ino != Path("/proc/self/ns/net").stat().st_ino:
        assert ctypes.CDLL(None).setns(network, _CLONE_NEWNET) == 0
    with open(request, closefd=False) as told:
        wanted: dict[str, Any] = json.load(told)
    for file in files:
        os.close(file)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(wanted["environ"])
    os.chdir(wanted["folder"])
    time.tzset()
    tempfile.tempdir = None
    arguments: list[str] = wanted["arguments"]
    sys.argv[1:] = arguments
    return arguments


if __name__ == "__main__":
    sys.exit(main())
