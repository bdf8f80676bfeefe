"""Connections to an untrusted service, with limits on everything before the body of an answer.

aiohttp limits one header and one head. It does not limit the number of interim answers (1xx) before an answer, or the
number of answers to one request. It creates objects for each that are many times larger than their bytes.
"""

import asyncio
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

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
    """Opens such connections, as many as there are requests. A request fails with AnswerRefused at a limit."""

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
