"""Takes heap profiles of one running container: while its memory is near the judged peak, and at the end.

A thread asks the probe for RSS, and the profiling program for profiles. Nothing here fails a trial: what goes wrong is
the reason why there is no profile.
"""

import contextlib
import dataclasses
import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.metrics import Metric
from membudget.engine.containers import CannotStart, Containers
from membudget.engine.helper import Helper
from membudget.measure.live_heap.messages import LONGEST_REASON
from membudget.measure.outcome import mask_of, one_line
from membudget.measure.profiling.heap_profile import HeapProfile, ProfiledSide, added_up, masked
from membudget.measure.profiling.messages import MOST_PROFILED, MOST_SAID_BYTES, AnswerBegun, Done, Piece, ProfileOrder
from membudget.measure.profiling.order import ProfiledAt, Profiling
from membudget.measure.profiling.profiler import Profiler
from membudget.measure.trial import Trial
from membudget.measure.workload.service import Drivers, PlacedDriver

_PROGRAM = "membudget.measure.profiling.profiling_process"
_EACH_S = 30.0
"""How long one process may take."""
_ALL_S = 60.0
"""How long all processes of a container may take, each time. One that hangs leaves time for the others."""
_PROGRAM_S = 1.5 * _ALL_S
"""How long the profiling program may take to tell what they said. It ends before, if it does not hang itself."""
_START_S = 60.0
"""How long the profiling program may take to start."""
_POLL_S = 0.05
_PATIENCE_S = 0.25
"""How long a wait for the program may go on once the trial is over."""
_NEAR = 0.95
"""The share of the judged peak at which the first profile is taken."""
_MORE = 1.25
"""How much more memory there has to be for another profile. A profiler takes memory itself: what it sees at the first
moment may be less than what it would have seen at the peak.
"""
_MOST_CAPTURES = 3
"""The most profiles before the end."""
_REST = 3
"""How many times as long as the last profile took the next one waits, so that the service has time for its work."""
_BEGUN, _PIECE, _DONE = TypeAdapter(AnswerBegun), TypeAdapter(Piece), TypeAdapter(Done)
_NOT_NEAR = "the container ended before its memory came near the judged peak, so nothing was profiled"
_TOO_MANY = f"only the {MOST_PROFILED} processes with the most memory are profiled"
_NO_ANSWER = "the profiling ended before all processes had answered"
_NOT_RUNNING = "the container had ended before it could be profiled"


class Capture(Protocol):
    """What a trial tells to whom profiles it."""

    def watching(self, container_id: str) -> AbstractContextManager[None]:
        """Watch a container, which need not have started yet, as long as the context lasts."""

    def workload_ended(self) -> None:
        """Note that the workload is over, and that the settle time begins."""

    def settled(self) -> None:
        """Note that the settle time is over."""


class NoCapture:
    """Takes no profile: every judged trial."""

    def watching(self, container_id: str) -> AbstractContextManager[None]:
        """Watch nothing."""
        del container_id
        return contextlib.nullcontext()

    def workload_ended(self) -> None:
        """Do nothing."""

    def settled(self) -> None:
        """Do nothing."""


NO_CAPTURE = NoCapture()


class _Over(Exception):
    """Raised in the watching thread once the trial is over."""


@dataclass(frozen=True, slots=True)
class _Taken:
    profile: HeapProfile
    rss_bytes: int | None
    processes: int
    unanswered: int
    reason: str | None
    """Why a process is missing. None if none is."""


@dataclass(slots=True)
class _Heard:
    """What has been heard of the processes so far."""

    processes: int = 0
    profiles: list[HeapProfile] = dataclasses.field(default_factory=list)
    silent: int = 0
    reason: str | None = None

    def miss(self, reason: str) -> None:
        """Note a process without a profile."""
        self.silent += 1
        self.reason = self.reason or reason

    def taken(self, hide: Callable[[str], str], rss: int | None) -> _Taken:
        """Return what counts of it. There is at least one profile."""
        processes = max(self.processes, len(self.profiles) + self.silent)
        unanswered = processes - len(self.profiles)
        reason = self.reason or (_TOO_MANY if processes > MOST_PROFILED else _NO_ANSWER) if unanswered else None
        return _Taken(masked(added_up(self.profiles), hide), rss, processes, unanswered, reason)


class HeapCapture:
    """Takes the profiles of one trial. The one that holds the most memory counts."""

    def __init__(
        self,
        drivers: Drivers,
        containers: Containers,
        rss_now: Callable[[], int | None],
        order: Profiling,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._drivers = drivers
        self._containers = containers
        self._rss_now = rss_now
        self._order = order
        self._secrets = secrets
        self._container_id = ""
        self._best: _Taken | None = None
        self._reason: str | None = None
        self._next_bytes = order.trigger_bytes * _NEAR if order.trigger_bytes is not None else None
        """The RSS at which the next profile is taken. None: only at the end."""
        self._times = 0
        self._next_s = float("-inf")
        """When the next profile may be taken, on `time.monotonic`."""
        self._at_end_s = 0.0
        self._over, self._asked, self._answered = threading.Event(), threading.Event(), threading.Event()
        self._called = threading.Event()
        """Set whenever the watching thread has something to do."""
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, container_id: str) -> Iterator[None]:
        """Watch a container, which need not have started yet, as long as the context lasts."""
        self._container_id = container_id
        self._thread = threading.Thread(target=self._watch, name="membudget-profile", daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._called.set()
            self._thread.join()

    def workload_ended(self) -> None:
        """Take a profile, unless only what is kept after the settle time counts."""
        if self._order.at is ProfiledAt.PEAK:
            self._take_at_end()

    def settled(self) -> None:
        """Take a profile if what is kept after the settle time counts."""
        if self._order.at is ProfiledAt.SETTLED:
            self._take_at_end()

    def side(self, trial: Trial) -> ProfiledSide:
        """Return what came of it. `trial` is the profiled trial, which has ended."""
        peak = trial.metrics[Metric.PEAK_RSS].value
        duration_ms = trial.duration_ms + round(self._at_end_s * 1000)
        if (best := self._best) is not None:
            reason = self._said(best.reason) if best.reason is not None else None
            answered = best.processes - best.unanswered
            return ProfiledSide(
                *(best.profile, reason, best.rss_bytes, peak, duration_ms),
                processes=best.processes,
                unanswered=best.unanswered,
                added_peaks=answered if answered > 1 and self._order.tells_own_peaks else 0,
            )
        reason = self._reason or (f"its trial failed: {trial.reason}" if trial.reason else _NOT_NEAR)
        return ProfiledSide(None, self._said(reason), peak_rss_bytes=peak, duration_ms=duration_ms)

    def _said(self, reason: str) -> str:
        return shortened(one_line(reason, self._secrets), LONGEST_REASON)

    def _take_at_end(self) -> None:
        begun = time.monotonic()
        self._answered.clear()
        self._asked.set()
        self._called.set()
        if self._thread is not None and self._thread.is_alive():
            self._answered.wait(_START_S + 2 * _PROGRAM_S)  # it may be at an earlier profile
        self._at_end_s += time.monotonic() - begun

    def _watch(self) -> None:
        try:
            pid = self._pid()
            with self._drivers.among(self._container_id, pid, _PROGRAM) as placed:
                self._watch_with(placed)
        except _Over:
            pass
        except TimeoutError:
            self._reason = f"its processes did not answer within {_PROGRAM_S:.0f} s"
        except (ValidationError, ValueError):
            self._reason = "the program that takes profiles gave no answer that can be read"
        except (EnvironmentFault, CannotStart) as error:
            self._reason = self._reason or f"it cannot be profiled: {error}"
        finally:
            self._answered.set()

    def _pid(self) -> int:
        """Return the container's first process, once it runs."""
        was_seen = False
        while not self._over.wait(_POLL_S):
            state = self._containers.state(self._container_id)
            if state.running and state.pid:
                return state.pid
            if was_seen and self._asked.is_set():
                break
            was_seen = True
        self._reason = _NOT_RUNNING
        raise _Over

    def _watch_with(self, placed: PlacedDriver) -> None:
        while not self._over.is_set():
            self._called.wait(_POLL_S)
            self._called.clear()
            rss = self._rss_now()
            if self._asked.is_set():
                if self._containers.state(self._container_id).running:
                    self._take(placed, rss)
                self._asked.clear()
                self._answered.set()
            elif self._is_due(rss):
                begun_s = time.monotonic()
                self._take(placed, rss)
                ended_s = time.monotonic()
                self._next_s = ended_s + _REST * (ended_s - begun_s)
                after = self._rss_now()
                self._next_bytes = _MORE * max(rss or 0, after or 0)
                self._times += 1

    def _is_due(self, rss: int | None) -> bool:
        if self._order.at is ProfiledAt.SETTLED or self._times >= _MOST_CAPTURES:
            return False
        if rss is None or self._next_bytes is None:
            return False
        return rss >= self._next_bytes and time.monotonic() >= self._next_s

    def _take(self, placed: PlacedDriver, rss: int | None) -> None:
        """Take a profile of all processes, and keep it if it holds the most so far."""
        profiler = self._order.profiler
        order = ProfileOrder(profiler.runtime, self._order.program, placed.first_pid, _EACH_S, _ALL_S)
        placed.helper.send(json.dumps(dataclasses.asdict(order)))
        heard = _Heard()
        try:
            self._hear(placed.helper, profiler, heard)
        finally:  # those that did answer count, even if time ran out
            if heard.profiles:
                taken = heard.taken(mask_of(self._secrets), rss)
                if self._best is None or taken.profile.held_bytes >= self._best.profile.held_bytes:
                    self._best = taken
        if not heard.profiles:
            self._reason = heard.reason

    def _hear(self, helper: Helper, profiler: Profiler, heard: _Heard) -> None:
        for said in self._answers(helper, time.monotonic() + _PROGRAM_S):
            if isinstance(said, AnswerBegun):
                heard.processes = said.processes
                continue
            if isinstance(said, str):
                heard.miss(said)
                continue
            try:
                heard.profiles.append(profiler.read(said))
            except Exception as error:  # noqa: BLE001 - hostile code wrote it: whatever happens must be no more than a reason
                heard.miss(f"its answer cannot be read: {error}")

    def _answers(self, helper: Helper, deadline: float) -> Iterator[AnswerBegun | bytes | str]:
        """Yield how many processes there are, then what each said, or the reason why it said nothing."""
        pieces = bytearray()
        while True:
            line = self._line(helper, deadline)
            read = json.loads(line)
            kind = read.get("kind") if isinstance(read, dict) else None
            if kind == AnswerBegun.__name__:
                yield _BEGUN.validate_json(line)
                continue
            if kind == Done.__name__:
                fault = _DONE.validate_json(line).fault
                if fault is not None:
                    yield fault
                return
            piece = _PIECE.validate_json(line)
            pieces += b64decode(piece.base64)
            if len(pieces) > MOST_SAID_BYTES:
                raise ValueError("a process said more than it may")
            if piece.is_last:
                yield f"PID {piece.pid}: {piece.reason}" if piece.reason is not None else bytes(pieces)
                pieces.clear()

    def _line(self, helper: Helper, deadline: float) -> str:
        while (left := deadline - time.monotonic()) > 0:
            try:
                return helper.receive(min(_PATIENCE_S, left))
            except TimeoutError:
                if self._over.is_set():
                    raise _Over from None
        raise TimeoutError
