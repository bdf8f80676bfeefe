"""Which processes are profiled, in which order, and how much time each has."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.live_heap.confined import RuntimeSaid
from membudget.measure.live_heap.messages import AskableRuntime
from membudget.measure.live_heap.runtimes import RunningRuntime
from membudget.measure.profiling import profiling_process
from membudget.measure.profiling.mappings import SMAPS
from membudget.measure.profiling.messages import MOST_PROFILED, AnswerBegun, Done, Piece, ProfileOrder
from membudget.measure.profiling.profiling_process import answers, seconds_for, wanted


@pytest.mark.parametrize(
    ("runtime", "program", "seen", "libraries", "is_wanted"),
    [
        (AskableRuntime.CPYTHON, "gunicorn", "python3.12", (), True),
        (AskableRuntime.CPYTHON, None, "uwsgi", ("libpython3.11.so.1.0",), True),
        (AskableRuntime.CPYTHON, None, "sh", (), False),
        (AskableRuntime.GO, "server", "server", (), True),
        (AskableRuntime.GO, "server", "sh", (), False),
        (AskableRuntime.GO, None, "server", (), False),
        (AskableRuntime.PROGRAM, None, "anything", (), True),
        (AskableRuntime.PROGRAM, "nginx", "nginx", (), True),
        (AskableRuntime.PROGRAM, "nginx", "sh", (), False),
    ],
)
def test_processes_are_wanted_by_their_runtime_or_their_program(
    runtime: AskableRuntime, program: str | None, seen: str, libraries: tuple[str, ...], *, is_wanted: bool
) -> None:
    found = wanted(ProfileOrder(runtime, program, None, 1.0, 1.0), seen, frozenset(libraries))
    assert found is (runtime if is_wanted else None)


class _Processes:
    """Processes of a container, of which some hang. Those take all their time, the others 0.2 s."""

    def __init__(self, *hanging: int, number: int = 6) -> None:
        self.hanging = frozenset(hanging)
        self.number = number
        self.now = 0.0
        self.asked: list[tuple[int, float]] = []

    @contextmanager
    def running(self, _first_pid: int | None, _recognise: object) -> Iterator[list[RunningRuntime]]:
        """The largest first."""
        yield [
            RunningRuntime(AskableRuntime.PROGRAM, pid, 0, 0, frozenset(), 0, 0, rss_bytes=1000 - pid)
            for pid in range(1, self.number + 1)
        ]

    def said(self, process: RunningRuntime, _ask: object, timeout_s: float, **_: object) -> RuntimeSaid:
        self.asked.append((process.pid, timeout_s))
        if process.pid in self.hanging:
            self.now += timeout_s
            return RuntimeSaid(None, "it did not answer in time")
        assert timeout_s > 0.2, "too little time for one that answers"
        self.now += 0.2
        return RuntimeSaid(b"x")


@pytest.fixture
def among(monkeypatch: pytest.MonkeyPatch) -> Callable[[_Processes], _Processes]:
    """Makes processes the ones of the container."""

    def made(processes: _Processes) -> _Processes:
        monkeypatch.setattr(profiling_process, "running_runtimes", processes.running)
        monkeypatch.setattr(profiling_process, "said_confined", processes.said)
        monkeypatch.setattr(profiling_process, "_now", lambda: processes.now)
        return processes

    return made


_ORDER = ProfileOrder(AskableRuntime.PROGRAM, None, None, 30.0, 60.0)


def _silent(said: Iterator[AnswerBegun | Piece | Done]) -> list[int]:
    return [one.pid for one in said if isinstance(one, Piece) and one.reason is not None]


@pytest.mark.parametrize("hanging", [(1, 2), (1, 2, 3, 4, 5), (3, 6), tuple(range(1, MOST_PROFILED))])
def test_processes_that_hang_leave_time_for_the_others(
    hanging: tuple[int, ...], among: Callable[[_Processes], _Processes]
) -> None:
    processes = among(_Processes(*hanging, number=max(6, hanging[-1] + 1)))
    assert _silent(answers(_ORDER, SMAPS, set())) == list(hanging)
    assert processes.now <= _ORDER.all_s
    assert len(processes.asked) == processes.number


def test_a_process_that_hung_is_asked_last_the_next_time(among: Callable[[_Processes], _Processes]) -> None:
    processes = among(_Processes(1, 3))
    silent: set[int] = set()
    for _ in range(2):
        assert sorted(_silent(answers(_ORDER, SMAPS, silent))) == [1, 3]
    assert [pid for pid, _ in processes.asked] == [1, 2, 3, 4, 5, 6, 2, 4, 5, 6, 1, 3]


def test_a_process_that_answers_again_has_its_turn_again(among: Callable[[_Processes], _Processes]) -> None:
    processes = among(_Processes(1, number=2))
    silent: set[int] = set()
    assert _silent(answers(_ORDER, SMAPS, silent)) == [1]
    processes.hanging = frozenset()
    assert _silent(answers(_ORDER, SMAPS, silent)) == []
    assert silent == set()


@given(st.floats(0.5, 40), st.floats(16, 90), st.lists(st.booleans(), min_size=1, max_size=MOST_PROFILED))
def test_every_process_has_a_second_and_all_together_no_more_than_they_may(
    each_s: float, all_s: float, hangs: list[bool]
) -> None:
    left = all_s
    for number, does_hang in enumerate(hangs):
        seconds = seconds_for(each_s, left, len(hangs) - number - 1)
        assert min(each_s, 0.999) <= seconds <= each_s
        left -= seconds if does_hang else 0
    assert left >= -0.01
