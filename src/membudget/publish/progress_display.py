"""Progress in logs: plain lines, or foldable groups in a GitHub workflow. `progress_terminal` is for terminals."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TextIO

from membudget.core.progress import Live, ProgressStep, Stage, nothing
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
    def step(self, step: ProgressStep) -> Iterator[None]:
        """Print nothing."""
        del step
        yield

    def output(self, line: str) -> None:
        """Ignore the line."""

    def note(self, text: str) -> None:
        """Print a note on a line of its own. The runner of a workflow does not interpret it."""
        with self._lock, guarded_log(self._stream):
            print(f"note: {printable(text, 1000)}", file=self._stream, flush=True)


class _Timing:
    """Tells how much time the stage that measures still takes. The display holds its lock."""

    def __init__(self, remembered_ms: Mapping[str, int] | None) -> None:
        """`remembered_ms` says how long measuring an image took the last time."""
        self._remembered_ms = remembered_ms or {}
        self._left: TimeLeft | None = None

    def begin_stage(self, stage: Stage, images: Sequence[str]) -> None:
        """A stage begins."""
        self._left = TimeLeft(images, self._remembered_ms) if stage is Stage.MEASURING else None

    def begin(self, image: str) -> None:
        """The work on an image begins."""
        if self._left is not None:
            self._left.begin(image)

    def end(self, image: str) -> None:
        """An image is done."""
        if self._left is not None:
            self._left.end(image)

    def begin_step(self, step: ProgressStep) -> str:
        """A step begins. Return the time left in brackets if it is known and worth telling, or nothing."""
        if self._left is None:
            return ""
        self._left.begin_step(step)
        left = self._left.of_all()
        return f" ({left_words(left)})" if left is not None and left >= _WORTH_TELLING_S else ""

    def end_step(self, step: ProgressStep) -> None:
        """A step ends."""
        if self._left is not None:
            self._left.end_step(step)


class _Lines:
    """Prints a line for each step. The displays of logs differ in what they print beside it."""

    def __init__(self, stream: TextIO, remembered_ms: Mapping[str, int] | None = None) -> None:
        """Print to `stream`. `remembered_ms` says how long measuring an image took the last time."""
        self._stream = stream
        self._timing = _Timing(remembered_ms)
        self._lock = threading.RLock()

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Time an image."""
        with self._lock:
            self._timing.begin(name)
        yield
        with self._lock:
            self._timing.end(name)

    @contextmanager
    def step(self, step: ProgressStep) -> Iterator[None]:
        """Print a line when the step begins, with the time left if it is known and worth telling."""
        with self._lock:
            self._print_step(f"{printable(step.image)}: {step_words(step)}{self._timing.begin_step(step)}")
        yield
        with self._lock:
            self._timing.end_step(step)

    def _print_step(self, text: str) -> None:
        raise NotImplementedError


class LogProgress(_Lines):
    """Prints one line a step, and no output of builds."""

    @contextmanager
    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> Iterator[None]:
        """Print the number of images."""
        del live  # logs are read afterwards
        self._timing.begin_stage(stage, images)
        if images:
            self._print(stage_words(stage, len(images)))
        yield

    def output(self, line: str) -> None:
        """Ignore the line."""

    def note(self, text: str) -> None:
        """Print a note on a line of its own."""
        self._print(f"  note: {printable(text, 1000)}")

    def _print_step(self, text: str) -> None:
        self._print(f"  {text}")

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, file=self._stream, flush=True)


class WorkflowProgress(_Lines):
    """Prints groups in a GitHub workflow's log, with the output of builds, which cannot give the runner commands."""

    def __init__(self, stream: TextIO, remembered_ms: Mapping[str, int] | None = None) -> None:
        """Print to `stream`. `remembered_ms` says how long measuring an image took the last time."""
        super().__init__(stream, remembered_ms)
        self._guard = ExitStack()
        self._is_guarded = False

    @contextmanager
    def stage(self, stage: Stage, images: Sequence[str], live: Live = nothing) -> Iterator[None]:
        """Open a group."""
        del live
        self._timing.begin_stage(stage, images)
        self._say(open_group(stage_words(stage, len(images))))
        try:
            yield
        finally:
            self._say(CLOSE_GROUP)

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Print how long an image took."""
        began = time.monotonic()
        with super().image(name):
            yield
        took_s = time.monotonic() - began
        if took_s >= _WORTH_TIMING_S:
            self._say(f"{printable(name)}: done in {elapsed_words(took_s)}")

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

    def _print_step(self, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        with self._lock:
            if self._is_guarded:
                self._guard.close()
                self._is_guarded = False
            print(text, file=self._stream, flush=True)
