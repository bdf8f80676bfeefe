"""A HotSpot JVM's answers, and those of what only pretends to be one."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.live_heap import hotspot
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime

HISTOGRAM = b"""0
 num     #instances         #bytes  class name (module)
-------------------------------------------------------
   1:          5021       40621408  [B (java.base@17.0.13)
   2:          4712         113088  java.lang.String (java.base@17.0.13)
 823:             1             16  sun.util.resources.provider.NonBaseLocaleDataMetaInfo (jdk.localedata@17.0.13)
Total         26790       42141080
"""


@contextmanager
def jvm(folder: Path, *answers: Callable[[socket.socket], None], name: str = "jvm") -> Iterator[Path]:
    """A socket that answers one connection after another."""
    path = folder / name
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            for one in answers:
                connection, _ = server.accept()
                with connection:
                    while connection.recv(100).count(b"\0") < 4:
                        pass
                    one(connection)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield path
        thread.join()


def sending(*pieces: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except BrokenPipeError:
            pass

    return send


def ask(path: Path, seconds: float = 60) -> int:
    return hotspot.histogram_bytes(path, time.monotonic() + seconds)


def test_the_total_of_the_class_histogram_is_the_live_heap(tmp_path: Path) -> None:
    with jvm(tmp_path, sending(HISTOGRAM[:100], HISTOGRAM[100:])) as path:
        assert ask(path) == 42_141_080


@pytest.mark.thorough
def test_the_smallest_of_three_totals_counts(tmp_path: Path) -> None:
    """Serial and Parallel count some dead objects in most collections."""
    totals = [sending(b"0\nTotal 1 %d\n" % size) for size in (46_000, 42_000, 43_000)]
    first, *others = totals
    process = RunningRuntime(AskableRuntime.HOTSPOT, (1 << 22) + os.getpid(), 0, 0, frozenset(), -1, -1)
    with jvm(
        Path("/tmp"), first, sending(b"0\nCommand executed successfully\n"), *others, name=f".java_pid{process.pid}"
    ) as path:
        try:
            assert hotspot.live_bytes(process, time.monotonic() + 60) == 42_000
        finally:
            path.unlink()


@pytest.mark.thorough
def test_only_the_end_of_a_long_histogram_is_kept(tmp_path: Path) -> None:
    lines = b"".join(b"%5d: 1 16 a.Class%d\n" % (number, number) for number in range(100_000))
    with jvm(tmp_path, sending(b"0\n", lines, b"Total 100000 1600000\n")) as path:
        assert ask(path) == 1_600_000


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "refused"),
        (b"0\n", "has no total"),
        (b"1\njava.lang.IllegalArgumentException: Unknown diagnostic command\n", "Unknown diagnostic command"),
        (b"100\n", "refused: 100"),
        (b"0\nTotal 1 2\nand more\n", "has no total"),
        (b"0\nTotal 1 " + b"9" * 19, "has no total"),
        (b"0\n" + b"x" * (33 << 20), "longer than 32 MiB"),
    ],
)
def test_anything_else_has_a_reason(tmp_path: Path, said: bytes, reason: str) -> None:
    with jvm(tmp_path, sending(said)) as path, pytest.raises(NoAnswer, match=reason):
        ask(path)


@pytest.mark.thorough
def test_a_jvm_that_hangs_is_left_at_the_deadline(tmp_path: Path) -> None:
    over = threading.Event()

    def hang(_: socket.socket) -> None:
        over.wait()

    with jvm(tmp_path, hang) as path:
        with pytest.raises(TimeoutError):
            ask(path, 0.1)
        over.set()


@given(st.binary())
def test_no_end_of_a_histogram_is_an_error_of_ours(said: bytes) -> None:
    with suppress(NoAnswer):
        assert hotspot.total_bytes(said) >= 0
