"""When profiles of a running container are taken, and what becomes of those that fail."""

import dataclasses
import json
import queue
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.measure.live_heap.messages import LONGEST_REASON, AskableRuntime
from membudget.measure.profiling import capturing
from membudget.measure.profiling.capturing import HeapCapture
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy, ProfiledSide
from membudget.measure.profiling.messages import MOST_PROFILED, MOST_SAID_BYTES, AnswerBegun, Done, Piece
from membudget.measure.profiling.order import ProfiledAt, Profiling
from membudget.measure.profiling.profiler import Profiler
from membudget.measure.workload.service import PlacedDriver
from tests.support.builders import trial

_PEAK = 100 * MIB


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "_POLL_S", 0.002)


def _read(raw: bytes) -> HeapProfile:
    """Read "NAME BYTES" lines."""
    lines = [line.split() for line in raw.decode().splitlines()]
    return HeapProfile.of(ProfiledBy.SMAPS, [((Frame(name),), int(size)) for name, size in lines])


_PROFILER = Profiler(AskableRuntime.PROGRAM, frozenset(), lambda *_: b"", _read)


_Line = AnswerBegun | Piece | Done | str


class _Program:
    """Stands in for the profiling program, and answers each order with the next of some answers."""

    def __init__(self, *answers: list[_Line]) -> None:
        self._answers = list(answers)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.asked = threading.Semaphore(0)

    def send(self, line: str) -> None:
        assert json.loads(line)["runtime"] == "program"
        for said in self._answers.pop(0) if self._answers else []:
            text = (
                said if isinstance(said, str) else json.dumps({"kind": type(said).__name__, **dataclasses.asdict(said)})
            )
            self._lines.put(text)
        self.asked.release()

    def receive(self, timeout_s: float) -> str:
        try:
            return self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None

    def close(self) -> None:
        pass


class _Drivers:
    def __init__(self, program: _Program, fault: Exception | None = None) -> None:
        self._program = program
        self._fault = fault

    @contextmanager
    def among(self, container_id: str, pid: int, module: str) -> Iterator[PlacedDriver]:
        assert (container_id, pid) == ("c1", 7)
        if self._fault is not None:
            raise self._fault
        yield PlacedDriver(self._program, None, pid)

    def reaching(self, container_id: str, pid: int, module: str) -> AbstractContextManager[PlacedDriver]:
        raise NotImplementedError

    def close(self) -> None:
        pass


@dataclasses.dataclass
class _State:
    running: bool = True
    pid: int = 7


class _Containers:
    def __init__(self) -> None:
        self.now = _State()

    def state(self, _container_id: str) -> _State:
        return self.now


def _said(text: str, pid: int = 1) -> Piece:
    return Piece(pid, b64encode(text.encode()).decode())


def _capture(
    program: _Program,
    rss: Callable[[], int | None] = lambda: None,
    fault: Exception | None = None,
    containers: _Containers | None = None,
    *,
    at: ProfiledAt = ProfiledAt.PEAK,
    memray: Path | None = None,
) -> HeapCapture:
    order = Profiling(_PROFILER, trigger_bytes=_PEAK, at=at, memray=memray)
    return HeapCapture(_Drivers(program, fault), containers or _Containers(), rss, order, ("s3cret",))  # type: ignore[arg-type]


def _side(capture: HeapCapture) -> ProfiledSide:
    metrics = {**trial(90).metrics, Metric.PEAK_RSS: MetricValue.of(Metric.PEAK_RSS, 90 * MIB)}
    return capture.side(dataclasses.replace(trial(90), metrics=metrics))


def test_a_profile_is_taken_at_the_end_of_the_workload() -> None:
    capture = _capture(_Program([_said("a 5\nb 7"), Done()]))
    with capture.watching("c1"):
        capture.workload_ended()
        capture.settled()
    side = _side(capture)
    assert side.reason is None
    assert side.profile == _read(b"a 5\nb 7")
    assert side.peak_rss_bytes == 90 * MIB


def test_what_is_kept_is_profiled_after_the_settle_time() -> None:
    program = _Program([_said("a 5"), Done()])
    capture = _capture(program, lambda: 2 * _PEAK, at=ProfiledAt.SETTLED)
    with capture.watching("c1"):
        capture.workload_ended()
        assert not program.asked.acquire(blocking=False)
        capture.settled()
    assert _side(capture).profile == _read(b"a 5")


def test_the_processes_of_a_container_are_added_up() -> None:
    capture = _capture(_Program([AnswerBegun(2), _said("a 5\nb 7", 1), _said("a 6", 2), Done()]))
    with capture.watching("c1"):
        capture.workload_ended()
    side = _side(capture)
    assert side.profile == _read(b"a 11\nb 7")
    assert (side.processes, side.unanswered, side.reason) == (2, 0, None)


@pytest.mark.parametrize(
    ("memray", "at", "pids", "added_peaks"),
    [
        (Path("/memray"), ProfiledAt.PEAK, (1, 2), 2),
        (Path("/memray"), ProfiledAt.PEAK, (1,), 0),
        (Path("/memray"), ProfiledAt.SETTLED, (1, 2), 0),
        (None, ProfiledAt.PEAK, (1, 2), 0),
    ],
)
def test_peaks_of_several_processes_that_memray_adds_up_are_counted(
    memray: Path | None, at: ProfiledAt, pids: tuple[int, ...], added_peaks: int
) -> None:
    """Each process tells what it held at its own peak. Its silent one has none."""
    said: list[_Line] = [
        AnswerBegun(len(pids) + 1),
        *(_said("a 5", pid) for pid in pids),
        Piece(9, reason="it hangs"),
        Done(),
    ]
    capture = _capture(_Program(said), at=at, memray=memray)
    with capture.watching("c1"):
        capture.workload_ended()
        capture.settled()
    assert _side(capture).added_peaks == added_peaks


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("answer", "processes", "unanswered", "reason"),
    [
        ([AnswerBegun(3), _said("a 5"), Piece(2, reason="s3cret"), Piece(3, reason="no"), Done()], 3, 2, "PID 2: ***"),
        (
            [AnswerBegun(2), _said("a ?", 1), _said("a 5", 2), Done()],
            2,
            1,
            "its answer cannot be read: invalid literal for int() with base 10: '?'",
        ),
        (
            [AnswerBegun(MOST_PROFILED + 2), _said("a 5"), *[_said("a 0")] * (MOST_PROFILED - 1), Done()],
            MOST_PROFILED + 2,
            2,
            "only the 16 processes with the most memory are profiled",
        ),
        ([AnswerBegun(2), _said("a 5"), "{"], 2, 1, "the profiling ended before all processes had answered"),
        ([AnswerBegun(3), _said("a 5")], 3, 2, "the profiling ended before all processes had answered"),
    ],
)
def test_processes_that_gave_no_profile_are_counted(
    answer: list[_Line], processes: int, unanswered: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(answer[-1], Done | str):  # the program hangs
        monkeypatch.setattr(capturing, "_PROGRAM_S", 0.1)
    capture = _capture(_Program(answer))
    with capture.watching("c1"):
        capture.workload_ended()
    side = _side(capture)
    assert side.profile == _read(b"a 5")
    assert (side.processes, side.unanswered, side.reason) == (processes, unanswered, reason)


def test_the_count_is_that_of_the_profile_that_counts() -> None:
    rss = [_PEAK]
    missing: list[_Line] = [AnswerBegun(2), _said("a 5"), Piece(2, reason="it hangs"), Done()]
    program = _Program(missing, [AnswerBegun(2), _said("a 5", 1), _said("a 4", 2), Done()])
    capture = _capture(program, lambda: rss[0])
    with capture.watching("c1"):
        assert program.asked.acquire(timeout=30)
        capture.workload_ended()
    side = _side(capture)
    assert side.profile == _read(b"a 9")
    assert (side.processes, side.unanswered, side.reason) == (2, 0, None)


def test_near_the_judged_peak_the_profile_that_holds_the_most_counts() -> None:
    rss = [_PEAK // 2]
    program = _Program([_said("a 5"), Done()], [_said("a 9"), Done()], [_said("a 7"), Done()])
    capture = _capture(program, lambda: rss[0])
    with capture.watching("c1"):
        rss[0] = round(_PEAK * 0.96)
        assert program.asked.acquire(timeout=30)
        rss[0] = round(_PEAK * 1.2)
        assert program.asked.acquire(timeout=30)
        rss[0] = 0
        capture.workload_ended()
    side = _side(capture)
    assert side.profile == _read(b"a 9")
    assert side.rss_bytes == round(_PEAK * 1.2)


def test_a_service_has_time_for_its_work_between_two_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "_REST", 1e12)
    rss, looks = [_PEAK], threading.Semaphore(0)

    def seen() -> int:
        looks.release()
        return rss[0]

    program = _Program([_said("a 5"), Done()], [_said("a 9"), Done()])
    capture = _capture(program, seen)
    with capture.watching("c1"):
        assert program.asked.acquire(timeout=30)
        rss[0] *= 2
        for _ in range(5):
            assert looks.acquire(timeout=30)
        assert not program.asked.acquire(blocking=False)
        capture.workload_ended()
    assert _side(capture).profile == _read(b"a 9")


def test_an_answer_in_pieces_is_joined() -> None:
    whole = b64encode(b"a 5\nb 7").decode()
    pieces: list[_Line] = [Piece(1, whole[:4], is_last=False), Piece(1, whole[4:]), Done()]
    capture = _capture(_Program(pieces))
    with capture.watching("c1"):
        capture.workload_ended()
    assert _side(capture).profile == _read(b"a 5\nb 7")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([Piece(4, reason="it did not answer in time"), Done()], "PID 4: it did not answer in time"),
        ([Done("the container's processes cannot be looked at")], "the container's processes cannot be looked at"),
        ([_said("a s3cret"), Done()], "its answer cannot be read: invalid literal for int() with base 10: '***'"),
        (["{"], "the program that takes profiles gave no answer that can be read"),
        (["[]"], "the program that takes profiles gave no answer that can be read"),
        (['{"kind":"Piece","pid":"x"}'], "the program that takes profiles gave no answer that can be read"),
        (
            [Piece(1, "eHh4" * (MOST_SAID_BYTES // 6), is_last=False)] * 3,
            "the program that takes profiles gave no answer that can be read",
        ),
    ],
)
def test_a_failure_is_a_reason(answer: list[_Line], reason: str) -> None:
    capture = _capture(_Program(answer))
    with capture.watching("c1"):
        capture.workload_ended()
    side = _side(capture)
    assert (side.profile, side.reason) == (None, reason)


def test_a_program_that_cannot_start_is_a_reason() -> None:
    capture = _capture(_Program(), fault=EnvironmentFault("no helper image " + "x" * 1000))
    with capture.watching("c1"):
        capture.workload_ended()
    reason = _side(capture).reason
    assert reason is not None
    assert reason.startswith("it cannot be profiled: no helper image")
    assert len(reason) <= LONGEST_REASON


@pytest.mark.thorough
def test_a_program_that_hangs_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "_PROGRAM_S", 0.1)
    capture = _capture(_Program())
    with capture.watching("c1"):
        capture.workload_ended()
    assert _side(capture).reason == "its processes did not answer within 0 s"


@pytest.mark.thorough
def test_an_end_of_the_trial_does_not_wait_for_a_program_that_hangs() -> None:
    program = _Program()
    capture = _capture(program, lambda: _PEAK)
    with capture.watching("c1"):
        assert program.asked.acquire(timeout=30)
    assert _side(capture).profile is None


def test_a_container_that_has_ended_is_not_asked() -> None:
    containers = _Containers()
    containers.now = _State(running=False, pid=0)
    capture = _capture(_Program(), containers=containers)
    with capture.watching("c1"):
        capture.workload_ended()
    assert _side(capture).reason == "the container had ended before it could be profiled"


def test_secrets_are_masked_in_a_profile() -> None:
    capture = _capture(_Program([_said("/data/s3cret.so 5"), Done()]))
    with capture.watching("c1"):
        capture.workload_ended()
    profile = _side(capture).profile
    assert profile is not None
    assert profile.frames[0].name == "/data/***.so"
