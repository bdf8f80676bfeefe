"""What pprof in Go programs says, as a heap profile, and what a hostile program may say instead."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.profiling.go import largest, prepared
from membudget.measure.profiling.go_profile import read, scaled
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.profiler import Seen
from membudget.measure.trial import TrialInputs

RECORDED = Path(__file__).parent / "recorded"
HEADING = b"heap profile: 1: 1 [1: 1] @ heap/2\n"
STACK = b"1: %d [1: 1] @ 0x1\n#\t0x1\t%s+0x1\t%s:7\n\n"


def profile_of(text: bytes) -> HeapProfile:
    return read(largest(text))


@pytest.mark.parametrize("version", ["1.19", "1.24"])
def test_a_recorded_program_becomes_a_profile(version: str) -> None:
    profile = profile_of((RECORDED / f"go-{version}-heap.txt").read_bytes())
    assert profile.profiled_by is ProfiledBy.PPROF
    held = {profile.frames[stack.frames[0]].name: stack.held_bytes for stack in profile.stacks}
    assert held["main.buildIndex"] == pytest.approx(4 << 20, rel=0.6)  # 64 samples, or 8 of the older version
    assert held["goroutine stacks"] > 100_000
    assert Frame("main.buildIndex", "/build/main.go", 25, in_live_heap=False) in profile.frames
    runtime = next(frame for frame in profile.frames if frame.name == "runtime.main")
    assert runtime.is_library


def test_with_few_samples_the_profile_adds_up_to_all_objects() -> None:
    text = (RECORDED / "go-1.19-heap.txt").read_bytes()
    objects = next(int(line.split()[-1]) for line in text.splitlines() if line.startswith(b"# HeapAlloc"))
    stacks = next(int(line.split()[3]) for line in text.splitlines() if line.startswith(b"# Stack"))
    assert profile_of(text).held_bytes == pytest.approx(objects + stacks, rel=0.001)


@pytest.mark.parametrize(
    ("count", "size", "rate", "expected"),
    [(1, 64, 1, 64), (0, 0, 512, 0), (10, 10 * 1024, 1024, 16_199), (1, 1 << 20, 1024, 1 << 20)],
)
def test_samples_are_scaled_as_pprof_does(count: int, size: int, rate: int, expected: int) -> None:
    assert scaled(count, size, rate) == expected


@pytest.mark.parametrize(
    ("function", "file", "expected"),
    [
        (b"main.f", b"/build/main.go", False),
        (b"example.org/shop/index.(*Index).Add", b"/src/index/index.go", False),
        (b"shop/index.Build", b"/src/shop/index/index.go", False),
        (b"net/http.(*conn).serve", b"/usr/lib/go/src/net/http/server.go", True),
        (b"vendor/golang.org/x/net/http2.f", b"/usr/lib/go/src/vendor/golang.org/x/net/http2/f.go", True),
        (b"github.com/lib/pq.(*conn).f", b"/go/pkg/mod/github.com/lib/pq@v1.2.3/conn.go", True),
        (b"github.com/lib/pq.(*conn).f", b"github.com/lib/pq@v1.2.3/conn.go", True),
        (b"github.com/lib/pq.(*conn).f", b"/src/vendor/github.com/lib/pq/conn.go", True),
    ],
)
def test_code_of_libraries_is_known(function: bytes, file: bytes, expected: bool) -> None:
    (frame,) = profile_of(HEADING + STACK % (100, function, file)).frames
    assert frame == Frame(function.decode(), file.decode(), 7, expected, in_live_heap=False)


@pytest.mark.thorough
def test_the_largest_stacks_are_kept() -> None:
    text = HEADING + b"".join(STACK % (size, b"main.f%d" % size, b"/" + b"x" * 800) for size in range(1, 10_000))
    kept = largest(text)
    assert len(kept) < 4 << 20
    profile = read(kept)
    assert profile.frames[profile.stacks[0].frames[0]].name == "main.f9999"


def test_what_was_freed_is_left_out() -> None:
    text = HEADING + STACK % (0, b"main.freed", b"/main.go") + STACK % (5, b"main.kept", b"/main.go")
    assert profile_of(text).frames == (Frame("main.kept", "/main.go", 7, in_live_heap=False),)


@pytest.mark.thorough
def test_a_stack_of_many_calls_is_cut() -> None:
    text = HEADING + b"1: 100 [1: 1] @ 0x1\n" + b"#\t0x1\tmain.f+0x1\t/main.go:7\n" * 1_000_000
    (stack,) = profile_of(text).stacks
    assert (len(stack.frames), stack.held_bytes) == (40, 100)


@pytest.mark.parametrize("text", [b"", b"<html>", HEADING, HEADING + b"1: 0 [1: 1] @ 0x1\n", HEADING[:-1] + b" x\n"])
def test_a_page_without_a_profile_has_a_reason(text: bytes) -> None:
    with pytest.raises(NoAnswer):
        largest(text)


def test_anything_else_is_refused() -> None:
    with pytest.raises(ValueError, match="no heap profile"):
        read(b"<html>")


@pytest.mark.thorough
@given(st.binary(), st.text(alphabet="01: []@#\t\nx+/.heapmain-\x1b"))
def test_no_text_is_an_error_of_ours(said: bytes, text: str) -> None:
    for one in (said, HEADING + text.encode()):
        with suppress(NoAnswer):
            read(largest(one))
        with suppress(ValueError):
            read(one)


def test_settings_of_the_service_are_kept() -> None:
    assert prepared(TrialInputs(), Seen(None, {"GODEBUG": "a=1"})).environment == {
        "GODEBUG": "a=1,memprofilerate=65536"
    }
    assert prepared(TrialInputs(), Seen()).environment == {"GODEBUG": "memprofilerate=65536"}
