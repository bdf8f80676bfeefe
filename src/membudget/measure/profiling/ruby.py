"""Profiles Ruby: a module of ours lets it note where objects are made, and adds their sizes up when it gets a signal.

RUBYOPT loads the module (`in_ruby/profile.rb`), also into child processes. Ruby notes the line of each object, and not
who called it (ObjectSpace.trace_object_allocations in Ruby's objspace).
"""

import re
import time
from pathlib import Path

from membudget.measure.live_heap.anonymous_files import content, numbered_files
from membudget.measure.live_heap.confined import NoAnswer
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy
from membudget.measure.profiling.profiler import IN_CONTAINER, Profiler, ServiceSeen, preloaded
from membudget.measure.profiling.summary import LONGEST_SUMMARY_BYTES, plain, profile_of
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.measure.trial import TrialInputs

IN_RUBY = Path(__file__).parent / "in_ruby"
ASKED_BY = 62
"""SIGRTMAX - 2, for which the module has a handler."""
_MODULE = f"{IN_CONTAINER}/profile.rb"
_ANSWER_FILE = re.compile(r"(?:/memfd:|/dev/shm/|/tmp/)membudget-profile-(\d{1,9}) \(deleted\)")
_END = re.compile(rb"(?:\A|\n)(?:r \d+|error [^\n]*)\n\Z")
_POLL_S = 0.01
_LIBRARY = re.compile(
    r"/gems/|/rubygems(?:/|\.rb)|/ruby/(?:\d+\.\d|vendor_ruby/|site_ruby/)|\A<internal:|\A\(?eval\b|\.so\Z"
)
"""Paths of gems, of Ruby's own library, and of code without a file."""


def prepared(inputs: TrialInputs, seen: ServiceSeen) -> TrialInputs:
    """Return `inputs` with which Ruby loads our module. Other programs do not notice."""
    return preloaded(inputs, seen, "RUBYOPT", f"-r{_MODULE}", IN_RUBY)


def capture(process: RunningRuntime, deadline: float) -> bytes:
    """Return the summary of a Ruby's objects. Runs outside of the container: it sends a signal, and reads a file.

    Raises NoAnswer, OSError, and TimeoutError at the deadline.
    """
    if ASKED_BY not in process.caught:
        raise NoAnswer("it has not loaded the profiler: the service replaces RUBYOPT, or this Ruby is older than 2.7")
    before = max((number for number, _ in numbered_files(process.folder, _ANSWER_FILE, deadline)), default=0)
    process.signal(ASKED_BY)
    while (said := _said(process.folder, before, deadline)) is None:
        time.sleep(_POLL_S)
    if said.startswith(b"error "):
        raise NoAnswer(f"the profiler in Ruby failed: {plain(said[6:300].decode(errors='replace').strip())}")
    return said


def _said(folder: int, before: int, deadline: float) -> bytes | None:
    """Return the answer after number `before`, once it is complete."""
    for number, descriptor in numbered_files(folder, _ANSWER_FILE, deadline):
        if number > before:
            said = content(folder, descriptor, LONGEST_SUMMARY_BYTES + 1)
            if len(said) > LONGEST_SUMMARY_BYTES:
                raise NoAnswer("its answer is too large")
            if _END.search(said):
                return said
    return None


def read(raw: bytes) -> HeapProfile:
    """Return the profile in what Ruby said. Raises ValueError."""
    return profile_of(raw, ProfiledBy.OBJECT_SPACE, _frame)


def _frame(name: str, file: str | None, line: int | None) -> Frame:
    return Frame(name, file, line, file is None or _LIBRARY.search(file) is not None)


OBJECT_SPACE = Profiler(AskableRuntime.RUBY, frozenset({RuntimeKind.RUBY}), capture, read, prepared, is_inside=False)
