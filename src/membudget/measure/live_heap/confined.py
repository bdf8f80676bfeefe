"""A child that talks to a runtime from where the runtime is: its root folder, its network, its user.

What the child reads comes from untrusted code. It has no rights but those of the runtime's user, cannot leave the
container's files, and has little memory and time. Symbolic links of the container end in the container.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from membudget.measure.live_heap.messages import LONGEST_REASON
from membudget.measure.live_heap.runtimes import RunningRuntime

_MEMORY_BYTES = 256 << 20
_LARGEST_FILE_BYTES = 1 << 16
_LONGEST_ANSWER_BYTES = 1 << 14
_GRACE_S = 2.0
"""How much longer than a runtime the child may take, to say that time is up and to remove its files."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNET = 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522


class NoAnswer(Exception):
    """Raised in the child if the runtime has no answer. The message is the reason, a sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The live heap in bytes, or the reason why there is none."""

    heap_bytes: int | None
    reason: str | None = None


def ask_confined(process: RunningRuntime, ask: Callable[[RunningRuntime, float], int], timeout_s: float) -> Answer:
    """Run `ask` beside the runtime, with a deadline on `time.monotonic`, and return the answer."""
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _live(process, ask, time.monotonic() + timeout_s, writer, parent)
    os.close(writer)
    try:
        said = _read(reader, time.monotonic() + timeout_s + _GRACE_S)
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return said


def _read(reader: int, deadline: float) -> Answer:
    data = b""
    while b"\n" not in data and len(data) < _LONGEST_ANSWER_BYTES:
        readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return Answer(None, "it did not answer in time")
        received = os.read(reader, _LONGEST_ANSWER_BYTES)
        if not received:
            return Answer(None, "the process that asked it ended early")
        data += received
    try:
        return Answer(**json.loads(data))
    except (ValueError, TypeError):
        return Answer(None, "the process that asked it gave no answer")


def _live(
    process: RunningRuntime, ask: Callable[[RunningRuntime, float], int], deadline: float, writer: int, parent: int
) -> None:
    """Ask, write the answer, and end. A forked child must not return into its parent's code."""
    try:
        said = Answer(None, "it did not answer")
        try:
            _enter(process, parent)
            said = Answer(ask(process, deadline))
        except NoAnswer as error:
            said = Answer(None, str(error)[:LONGEST_REASON])
        except TimeoutError:
            said = Answer(None, "it did not answer in time")
        except MemoryError:
            said = Answer(None, "its answer is too large")
        except (OSError, ValueError) as error:
            said = Answer(None, f"it could not be asked: {error}"[:LONGEST_REASON])
        os.write(writer, json.dumps({"heap_bytes": said.heap_bytes, "reason": said.reason}).encode() + b"\n")
    finally:
        os._exit(0)


def _enter(process: RunningRuntime, parent: int) -> None:
    """Go where the runtime is, and keep only its user's rights."""
    _enter_network(process.folder)
    root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process.folder)
    folder = os.open("cwd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process.folder)
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(folder)
    os.setgroups([])
    os.setresgid(process.gid, process.gid, process.gid)
    os.setresuid(process.uid, process.uid, process.uid)
    libc = ctypes.CDLL(None, use_errno=True)
    _drop_capabilities(libc)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after the change of user, which clears it (prctl(2))
    if os.getppid() != parent:
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE_BYTES, _LARGEST_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))


def _enter_network(folder: int) -> None:
    """Enter the process's network namespace, unless this is already ours (setns(2))."""
    if os.readlink("ns/net", dir_fd=folder) == str(Path("/proc/self/ns/net").readlink()):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open("ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"its network cannot be entered: {os.strerror(error)}")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up all capabilities, which root keeps when it changes from root to root (capset(2))."""
    header, none = _CapabilityHeader(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(ctypes.byref(header), none) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"rights could not be given up: {os.strerror(error)}")
