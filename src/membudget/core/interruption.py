"""SIGINT and SIGTERM as one exception that unwinds to the clean-up, and clean-up that is not interrupted itself.

Signals belong to the process, so this module's state does too. Tests and other callers that never `install` it
are not affected.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from membudget.core.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    shields = 0
    pending = False
    unwinding = False


def install() -> None:
    """From now on the first of these signals raises Interrupted in the main thread; later ones change nothing."""
    for number in _SIGNALS:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # nohup(1): it is to outlive its terminal
        signal.signal(number, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    del number, frame
    if _State.unwinding:
        return
    if _State.shields:
        _State.pending = True
        return
    _State.unwinding = True
    raise Interrupted


@contextmanager
def shielded() -> Iterator[None]:
    """Hold signals back until the block is done."""
    _State.shields += 1
    try:
        yield
    finally:
        _State.shields -= 1
        if _State.pending and not _State.shields:
            _State.pending = False
            _State.unwinding = True
            raise Interrupted
