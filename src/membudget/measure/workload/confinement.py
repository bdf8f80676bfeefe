"""Confines what an untrusted service can do to the HTTP driver: a child without rights, and bounded connections.

The driver's forked child reads all data of the service. It has no rights and little memory. The memory limit is
RLIMIT_DATA. It counts what a program allocates (getrlimit(2)), works on cgroup v1 and v2, with and without root, and
leaves nothing behind. A cgroup of its own would need root and, on v2, systemd's permission.

Its connections limit everything before the body of an answer. aiohttp limits one header and one head. It does not limit
the number of interim answers (1xx) before an answer, or the number of answers to one request. It creates objects for
each that are many times larger than their bytes.
"""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

_NOBODY = 65534
_OUT_OF_MEMORY = 99
_LARGEST_FILE_BYTES = 1 << 20
"""Standard error may be a file."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNET = 0x40000000


class ChildEnding(Enum):
    """How a child ended."""

    DONE = auto()
    OUT_OF_MEMORY = auto()
    """The child reached its limit, or the kernel killed it at the limit of its container."""
    FAILED = auto()
    """The child failed. Its traceback is on standard error."""


def run_confined(work: Callable[[], None], memory_bytes: int, prepare: Callable[[], None] | None = None) -> ChildEnding:
    """Run `work` in a child, after `prepare`, which still has all rights. The child ends with its parent."""
    sys.stdout.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(work, memory_bytes, prepare, parent)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (_OUT_OF_MEMORY, -signal.SIGKILL):
        return ChildEnding.OUT_OF_MEMORY
    return ChildEnding.DONE if code == 0 else ChildEnding.FAILED


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


_MOST_INTERIM = 20
"""The most interim answers, such as `100 Continue`, before the final one."""
_MOST_HEAD_BYTES = 1 << 16
"""The most bytes of all interim answers and the final answer's head together."""
_MOST_UNASKED = 1
"""A service may announce once that it closes the connection (408)."""
_HEAD_PIECE_BYTES = 1 << 10
_BODY_PIECE_BYTES = 1 << 14
"""The most bytes that the parser gets at once. What it makes of one piece is counted before it gets the next."""


class AnswerRefused(aiohttp.ClientError):
    """Raised when the service's answer exceeds a limit. The message says which."""


class BoundedConnector(aiohttp.TCPConnector):
    """Opens connections that limit what comes before an answer's body. It opens as many as there are requests.

    A request fails with AnswerRefused at a limit.
    """

    def __init__(self, *, force_close: bool = False) -> None:
        super().__init__(limit=0, force_close=force_close)
        self._factory = cast("partial[ResponseHandler]", partial(_Connection, loop=self._loop))


class _Connection(ResponseHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._waits_for_head = False
        self._interim = self._head_bytes = self._unasked = 0
        self._refusal: AnswerRefused | None = None

    def set_response_params(self, **settings: Any) -> None:  # noqa: ANN401 - aiohttp's own, passed on
        """Begin a request."""
        self._waits_for_head = True
        self._interim = self._head_bytes = self._unasked = 0
        super().set_response_params(**settings)

    def feed_data(self, data: Any, size: int = 0) -> None:  # noqa: ANN401
        """Count a head from the parser."""
        is_interim = 100 <= data[0].code < 200 and data[0].code != 101
        if not self._waits_for_head:
            self._unasked += 1
        elif is_interim:
            self._interim += 1
        else:
            self._waits_for_head = False
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Take data from the socket. If there is none, the parser continues with the data that it kept."""
        if not data:
            super().data_received(data)
        at = 0
        while at < len(data) and self.exception() is None:
            piece = data[at : at + (_HEAD_PIECE_BYTES if self._waits_for_head else _BODY_PIECE_BYTES)]
            at += len(piece)
            if self._waits_for_head:
                self._head_bytes += len(piece)
            super().data_received(piece)
            self._check()
        self._tell_body()

    def set_exception(self, exc: BaseException, *cause: Any) -> None:  # noqa: ANN401
        """Keep the first refusal, because the lost connection is only its consequence."""
        if self._refusal is not None:
            super().set_exception(self._refusal)
        else:
            super().set_exception(exc, *cause)

    def _check(self) -> None:
        if self._interim > _MOST_INTERIM:
            self._refuse(f"more than {_MOST_INTERIM} interim answers (1xx) before the answer")
        elif self._head_bytes > _MOST_HEAD_BYTES:
            self._refuse(f"more than {_MOST_HEAD_BYTES >> 10} KiB before the answer's body")
        elif self._unasked > _MOST_UNASKED:
            self._refuse("more than one answer to one request")

    def _tell_body(self) -> None:
        """Tell the body's reader that the parser gave up. aiohttp only tells readers that wait for a head."""
        error, body = self.exception(), self._payload
        if error is not None and body is not None and body.exception() is None and not body.is_eof():
            said = getattr(error, "message", "") or type(error).__name__
            body.set_exception(AnswerRefused(f"what the service sent is not HTTP: {said}"))

    def _refuse(self, why: str) -> None:
        refusal = AnswerRefused(f"the service sent {why}")
        self.set_exception(refusal)
        self._refusal = refusal
        if self._payload is not None:
            self._payload.set_exception(refusal)
        if self.transport is not None:
            self.transport.abort()
