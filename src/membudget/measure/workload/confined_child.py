"""Processes data from strangers in a forked child that has no rights and little memory.

The memory limit is RLIMIT_DATA. It counts what a program allocates (getrlimit(2)), works on cgroup v1 and v2, with and
without root, and leaves nothing behind. A cgroup of its own would need root and, on v2, systemd's permission.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from enum import Enum, auto

_NOBODY = 65534
_OUT_OF_MEMORY = 99
_LARGEST_FILE_BYTES = 1 << 20
"""Standard error may be a file."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNET = 0x40000000


class Ending(Enum):
    """How a child ended."""

    DONE = auto()
    OUT_OF_MEMORY = auto()
    """The child reached its limit, or the kernel killed it at the limit of its container."""
    FAILED = auto()
    """The child failed. Its traceback is on standard error."""


def run_confined(work: Callable[[], None], memory_bytes: int, prepare: Callable[[], None] | None = None) -> Ending:
    """Run `work` in a child, after `prepare`, which still has all rights. The child ends with its parent."""
    sys.stdout.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(work, memory_bytes, prepare, parent)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (_OUT_OF_MEMORY, -signal.SIGKILL):
        return Ending.OUT_OF_MEMORY
    return Ending.DONE if code == 0 else Ending.FAILED


def end_out_of_memory() -> None:
    """End this child immediately, because there is no memory for an orderly end."""
    os._exit(_OUT_OF_MEMORY)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, is a lack of memory. Libraries wrap such errors."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def enter_network(namespace: str) -> None:
    """Enter a network namespace (setns(2), in the standard library only since Python 3.12)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), namespace)
    finally:
        os.close(descriptor)


def _live(work: Callable[[], None], memory_bytes: int, prepare: Callable[[], None] | None, parent: int) -> None:
    code = 1
    try:
        if prepare is not None:
            prepare()
        _drop_rights()
        _end_with(parent)
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        work()
        sys.stdout.flush()
        code = 0
    except BaseException as error:  # noqa: BLE001 - a forked child must not return into its parent's code
        if is_out_of_memory(error):
            code = _OUT_OF_MEMORY
        else:
            traceback.print_exc()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _drop_rights() -> None:
    """Become nobody, without capabilities or a way to gain them.

    No program or process can be started afterwards. Open files stay open.
    """
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):  # without capabilities, a container has nothing to drop
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE_BYTES, _LARGEST_FILE_BYTES))


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends.

    A change of user clears this (prctl(2)), so call it afterwards.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
