"""Progress in logs: plain lines, or foldable groups in a GitHub workflow. `progress_terminal` is for terminals."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TextIO

from membudget.core.progress import Live, Stage, Step, nothing
from membudget.core.untrusted_text import printable, printable_line
from membudget.publish.progress_words import elapsed_words, left_words, stage_words, step_words
from membudget.publish.time_left import TimeLeft
from membudget.publish.workflow import CLOSE_GROUP, guarded, guarded_log, open_group

_WORTH_TELLING_S = 30
"""The shortest time left that a log tells."""
_WORTH_TIMING_S = 1
"""What takes less, such as an unchanged image, is not timed."""


class QuietProgress:
    """Prints notes, and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> Iterator[None]:
        """Print nothing."""
        del stage, images, live
        yield

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Print nothing."""
        del name
        yield

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Print nothing."""
        del step
        yield

    def output(self, line: str) -> None:
        """Ignore the line."""

    def note(self, text: str) -> None:
        """Print a note on a line of its own. The runner of a workflow does not interpret it."""
        with self._lock, guarded_log(self._stream):
            print(f"note: {printable(text, 1000)}", file=self._stream, flush=True)


class LogProgress:
    """Prints one line a step, and no output of builds."""

    def __init__(self, stream: TextIO, remembered_ms: Mapping[str, int] | None = None) -> None:
        """Print to `stream`. `remembered_ms` says how long measuring an image took the last time."""
        self._stream = stream
        self._remembered_ms = remembered_ms or {}
        self._time_left: TimeLeft | None = None
        self._lock = threading.RLock()

    @contextmanager
    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> Iterator[None]:
        """Print the number of images."""
        del live  # logs are read afterwards
        if stage is Stage.MEASURING:
            self._time_left = TimeLeft(images, self._remembered_ms)
        if images:
            self._print(stage_words(stage, len(images)))
        yield
        self._time_left = None

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Time an image."""
        with self._lock:
            if self._time_left is not None:
                self._time_left.begin(name)
        yield
        with self._lock:
            if self._time_left is not None:
                self._time_left.end(name)

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Print a line when the step begins, with the time left if it is known and worth telling."""
        with self._lock:
            left = self._begin(step)
            told = f" ({left_words(left)})" if left is not None and left >= _WORTH_TELLING_S else ""
            self._print(f"  {printable(step.image)}: {step_words(step)}{told}")
        yield
        with self._lock:
            if self._time_left is not None:
                self._time_left.end_step(step)

    def _begin(self, step: Step) -> float | None:
        if self._time_left is None:
            return None
        self._time_left.begin_step(step)
        return self._time_left.of_all()

    def output(self, line: str) -> None:
        """Ignore the line."""

    def note(self, text: str) -> None:
        """Print a note on a line of its own."""
        self._print(f"  note: {printable(text, 1000)}")

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, file=self._stream, flush=True)


class WorkflowProgress:
    """Prints groups in a GitHub workflow's log, with the output of builds, which cannot give the runner commands."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._guard = ExitStack()
        self._is_guarded = False
        self._lock = threading.RLock()

    @contextmanager
    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> Iterator[None]:
        """Open a group."""
        del live
        self._say(open_group(stage_words(stage, len(images))))
        try:
            yield
        finally:
            self._say(CLOSE_GROUP)

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Print how long an image took."""
        began = time.monotonic()
        yield
        took_s = time.monotonic() - began
        if took_s >= _WORTH_TIMING_S:
            self._say(f"{printable(name)}: done in {elapsed_words(took_s)}")

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Print a line when the step begins. The budgets file allows only plain names."""
        self._say(f"{printable(step.image)}: {step_words(step)}")
        yield

    def output(self, line: str) -> None:
        """Print a line of a build's output. The runner does not interpret it."""
        with self._lock:
            if not self._is_guarded:
                self._guard.enter_context(guarded(self._stream))
                self._is_guarded = True
            print(f"  {printable_line(line, 2000)}", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Print a note. The runner does not interpret it, because it may quote strangers."""
        with self._lock, nullcontext() if self._is_guarded else guarded(self._stream):
            print(f"note: {printable(text, 1000)}", file=self._stream, flush=True)

    def _say(self, text: str) -> None:
        with self._lock:
            if self._is_guarded:
                self._guard.close()
                self._is_guarded = False
            print(text, file=self._stream, flush=True)
