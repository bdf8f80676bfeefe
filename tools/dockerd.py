"""A container engine of our own: dockerd, with folders and a socket that nobody else is told of.

Standard library only: tools/engine.py has nothing else yet.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import processes

_APART = ("unshare", "--net", "--mount")  # or it would take another's bridge down, and leave mounts
_START_S = 300
"""An engine with many builds behind it reads their records first: 9 s of CPU time, on a busy machine minutes."""
_STOP_S = 30
_GARBAGE = {"GOGC": "400"}
"""The engine and what it starts collect their garbage less often, which spares some of their CPU time."""


def answers(path: Path) -> bool:
    """Whether an engine answers on a socket."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(64)
    return False


def socket_in(folder: Path) -> Path:
    """Where the engine of a folder listens. A socket's path has 107 bytes at most (unix(7))."""
    return folder / "docker.sock"


def start(folder: Path, *options: str, apart: bool = False, before: tuple[str, ...] = ()) -> "subprocess.Popen[Any]":
    """Start the engine of a folder, by the command `before` it, and wait until it answers.

    `apart`, it has a network of its own, without a way out.

    Raises SystemExit with the end of its log when it does not start.
    """
    log = folder / "dockerd.log"
    command = [
        *before,
        *(_APART if apart else ()),
        "dockerd",
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--host=unix://{socket_in(folder)}",
        f"--pidfile={_pid_file(folder)}",
        *options,
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**_GARBAGE, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_S
    while not answers(socket_in(folder)):
        if process.poll() is not None or time.monotonic() > deadline:
            processes.end_group(process)
            raise SystemExit(f"the engine does not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
    return process


def stop(folder: Path) -> None:
    """Stop the engine of a folder, if it runs, whoever started it."""
    pid_file = _pid_file(folder)
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if f"--pidfile={pid_file}".encode() not in words:
            return  # the number is another process's now
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + _STOP_S
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.05)


def _pid_file(folder: Path) -> Path:
    return folder / "dockerd.pid"


def _runs(pid: int) -> bool:
    """Whether a process lives; one that waits for its parent to take note of its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
