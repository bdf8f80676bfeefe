"""A child that talks to a runtime from where the runtime is: its root folder, its network, its user.

What the child reads comes from untrusted code. It has no rights but those of the runtime's user, cannot leave the
container's files, and has little memory and time. Symbolic links of the container end in the container.
"""

import ctypes
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
"""How much memory the child may take, besides what it has from its parent."""
_LARGEST_FILE_BYTES = 1 << 16
_LONGEST_NUMBER_BYTES = 20
_PIECE_BYTES = 1 << 16
_DATA, _REASON = b"=", b"!"
"""How the child's answer begins: with what the runtime said, or with the reason why it said nothing."""
_GRACE_S = 2.0
"""How much longer than a runtime the child may take, to say that time is up and to remove its files."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNET = 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522


class NoAnswer(Exception):
    """Raised in the child if the runtime has no answer. The message is the reason, a sentence."""


@dataclass(frozen=True, slots=True)
class LiveHeapAnswer:
    """The live heap in bytes, or the reason why there is none."""

    heap_bytes: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RuntimeSaid:
    """What a runtime said, or the reason why it said nothing."""

    data: bytes | None
    reason: str | None = None


AskLiveHeap = Callable[[RunningRuntime, float], bytes]
"""Asks a runtime, with a deadline on `time.monotonic`. Raises NoAnswer, OSError, ValueError, and TimeoutError."""


def left_s(deadline: float) -> float:
    """Return the time until a deadline on `time.monotonic`, in seconds. Raises TimeoutError if there is none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def ask_confined(
    process: RunningRuntime, ask: Callable[[RunningRuntime, float], int], timeout_s: float
) -> LiveHeapAnswer:
    """Run `ask` beside the runtime, with a deadline on `time.monotonic`, and return the answer."""

    def as_text(process: RunningRuntime, deadline: float) -> bytes:
        return str(ask(process, deadline)).encode()

    said = said_confined(process, as_text, timeout_s, most_bytes=_LONGEST_NUMBER_BYTES)
    try:
        return LiveHeapAnswer(int(said.data) if said.data is not None else None, said.reason)
    except ValueError:
        return LiveHeapAnswer(None, "the process that asked it gave no answer")


def said_confined(
    process: RunningRuntime, ask: AskLiveHeap, timeout_s: float, *, most_bytes: int, is_inside: bool = True
) -> RuntimeSaid:
    """Run `ask` in a child, and return what it brings: at most `most_bytes`, or the reason why there is nothing.

    `is_inside` says whether the child goes where the runtime is, as its user. Otherwise it stays outside and keeps the
    rights to read the runtime's folder in /proc. Memory and time are limited in both places.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _live(process, ask, time.monotonic() + timeout_s, writer, parent, is_inside=is_inside)
    os.close(writer)
    try:
        return _read(reader, time.monotonic() + timeout_s + _GRACE_S, most_bytes)
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _read(reader: int, deadline: float, most_bytes: int) -> RuntimeSaid:
    said = bytearray()
    while True:
        readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return RuntimeSaid(None, "it did not answer in time")
        received = os.read(reader, _PIECE_BYTES)
        if not received:
            break
        said += received
        if len(said) > max(most_bytes, 4 * LONGEST_REASON) + 1:
            return RuntimeSaid(None, "its answer is too large")
    kind, data = said[:1], bytes(said[1:])
    if kind == _REASON:
        return RuntimeSaid(None, data.decode(errors="replace"))
    if kind != _DATA:
        return RuntimeSaid(None, "the process that asked it ended early")
    return RuntimeSaid(data) if len(data) <= most_bytes else RuntimeSaid(None, "its answer is too large")


def _live(  # noqa: PLR0913 - all that a child is given
    process: RunningRuntime, ask: AskLiveHeap, deadline: float, writer: int, parent: int, *, is_inside: bool
) -> None:
    """Ask, write the answer, and end. A forked child must not return into its parent's code."""
    try:
        memory_bytes = _data_bytes() + _MEMORY_BYTES  # before it leaves for a root whose /proc may lie
        reason: str | None = None
        said = b""
        try:
            if is_inside:
                _enter(process)
            _live_no_longer_than(parent)
            _limit(memory_bytes)
            said = ask(process, deadline)
        except NoAnswer as error:
            reason = str(error)
        except TimeoutError:
            reason = "it did not answer in time"
        except MemoryError:
            reason = "its answer is too large"
        except (OSError, ValueError) as error:
            reason = f"it could not be asked: {error}"
        _write_all(writer, _DATA if reason is None else _REASON)
        _write_all(writer, said if reason is None else reason[:LONGEST_REASON].encode(errors="replace"))
    finally:
        os._exit(0)


def _write_all(writer: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(writer, left) :]


def _enter(process: RunningRuntime) -> None:
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


def _live_no_longer_than(parent: int) -> None:
    """End with the parent. Called after a change of user, which would undo it (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def _data_bytes() -> int:
    """Return what the child has from its parent, as RLIMIT_DATA counts it (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE_BYTES, _LARGEST_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


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
