"""What Ruby says about its objects: a recorded answer, and files that only look like one."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.profiling.heap_profile import Frame, ProfiledBy
from membudget.measure.profiling.profiler import IN_CONTAINER, ServiceSeen
from membudget.measure.profiling.ruby import ASKED_BY, IN_RUBY, capture, prepared, read
from membudget.measure.trial import TrialInputs

RECORDED = Path(__file__).parent / "recorded"
ANSWERS = """
import os, signal, sys
os.set_blocking(0, True)
def answer(*_):
    global count
    count += 1
    os.write(os.memfd_create(f"membudget-profile-{{count}}"), {said!r})
count = 0
signal.signal(62, answer)
os.write(1, b"ready")
while True: signal.pause()
"""


@contextmanager
def answering(said: bytes, program: str = ANSWERS) -> Iterator[RunningRuntime]:
    """A program that answers the signal as a Ruby with our module does."""
    with subprocess.Popen([sys.executable, "-c", program.format(said=said)], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.read(5) == b"ready"
        handle, folder = os.pidfd_open(running.pid), os.open(f"/proc/{running.pid}", os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield RunningRuntime(AskableRuntime.CPYTHON, running.pid, 0, 0, frozenset({ASKED_BY}), folder, handle)
        finally:
            running.kill()
            os.close(handle)
            os.close(folder)


def soon(seconds: float = 60) -> float:
    return time.monotonic() + seconds


def test_the_line_that_made_most_is_first() -> None:
    profile = read((RECORDED / "ruby-3.1.txt").read_bytes())
    assert profile.profiled_by is ProfiledBy.OBJECT_SPACE
    first = profile.stacks[0]
    assert profile.frames[first.frames[0]] == Frame("Search#add_titles", "/app/catalog/search.rb", 17)
    assert first.held_bytes == pytest.approx(40 << 20, rel=0.01)
    own = {frame.file for frame in profile.frames if not frame.is_library}
    assert own == {"/app/catalog/search.rb"}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/usr/local/lib/ruby/3.3.0/json/common.rb", True),
        ("/usr/local/lib/ruby/gems/3.3.0/gems/rack-3.0.8/lib/rack.rb", True),
        ("/usr/lib/ruby/vendor_ruby/rack.rb", True),
        ("/usr/local/lib/ruby/site_ruby/3.3.0/rubygems.rb", True),
        ("<internal:kernel>", True),
        ("/srv/ruby/2048/game.rb", False),
        ("/app/lib/rubygems_mirror.rb", False),
    ],
)
def test_code_of_ruby_and_of_gems_is_a_librarys(file: str, *, expected: bool) -> None:
    summary = f"membudget-profile 1\nf load\t{file}\t1\ns 1 0\nr 0\n"
    assert [frame.is_library for frame in read(summary.encode()).frames] == [expected]


def test_ruby_loads_our_module_beside_its_own_options() -> None:
    inputs = prepared(TrialInputs(), ServiceSeen(image_variables={"RUBYOPT": "--yjit"}))
    assert inputs.environment == {"RUBYOPT": f"--yjit -r{IN_CONTAINER}/profile.rb"}
    assert inputs.volumes == {IN_CONTAINER: IN_RUBY}
    assert (IN_RUBY / "profile.rb").is_file()


def test_the_module_and_we_mean_the_same_signal_and_file() -> None:
    module = (IN_RUBY / "profile.rb").read_text()
    assert re.search(rf"SIGNAL = {ASKED_BY}$", module, re.MULTILINE)
    assert 'NAME = "membudget-profile"' in module


@pytest.mark.thorough
def test_each_time_the_new_answer_is_taken() -> None:
    program = ANSWERS.replace("{said!r}", "b'membudget-profile 1\\nr %d\\n' % len(os.listdir('/proc/self/fd'))")
    with answering(b"", program) as process:
        first, second = (capture(process, soon()) for _ in range(2))
    assert first != second


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("said", "reason"),
    [(b"error NoMemoryError: full\n", "the profiler in Ruby failed: NoMemoryError: full"), (b"error \n", "failed")],
)
def test_a_failure_inside_is_the_reason(said: bytes, reason: str) -> None:
    with answering(said) as process, pytest.raises(NoAnswer, match=reason):
        capture(process, soon())


@pytest.mark.thorough
@pytest.mark.parametrize("said", [b"", b"membudget-profile 1\n", b"r 1", b"x" * 1000])
def test_an_answer_that_never_ends_is_left_at_the_deadline(said: bytes) -> None:
    with answering(said) as process, pytest.raises(TimeoutError):
        capture(process, soon(0.3))


def test_a_process_without_a_handler_is_not_signalled() -> None:
    process = RunningRuntime(AskableRuntime.CPYTHON, 1, 0, 0, frozenset({1}), -1, -1)
    with pytest.raises(NoAnswer, match="has not loaded the profiler"):
        capture(process, soon())
