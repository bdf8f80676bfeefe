"""A runtime that is asked inside its service, which may end at any moment."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from membudget.core.errors import EnvironmentFault
from membudget.core.quantities import MIB
from membudget.engine.options import ContainerOptions, ExecOptions
from membudget.measure.runtimes import asking
from membudget.measure.runtimes.asking import Asking
from membudget.measure.runtimes.questions import Question, second_question
from membudget.measure.runtimes.runtime import Connections, Runtime
from tests.support.runtimes import jvm, postgres, redis

_OPTIONS = ContainerOptions(image="sha256:1", name="question", role="trial")
_LATE = "said after the time is over"
_QUESTION = Question((("redis-cli",),), {}, is_inside=True)


class _Containers:
    """One container, which runs whenever it is looked at as often as `running` says."""

    def __init__(self, running: Iterator[bool]) -> None:
        self._running = running
        self.removed: list[str] = []

    def create(self, _options: ContainerOptions) -> str:
        return "c1"

    def start(self, container_id: str) -> None:
        pass

    def state(self, _container_id: str) -> SimpleNamespace:
        return SimpleNamespace(running=next(self._running))

    def start_exec(self, *_unused: object) -> tuple[str, "_Stream"]:
        raise EnvironmentFault("starting redis-cli inside the container failed: it is not running")

    def remove(self, container_id: str) -> None:
        self.removed.append(container_id)


class _Clock:
    """A time that passes only while someone sleeps."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


class _Stream:
    """What one command says."""

    def __init__(self, said: bytes) -> None:
        self._frames = [(1, said)]

    def next_frame(self, _deadline: float) -> tuple[int, bytes] | None:
        if self._frames == [(1, _LATE.encode())]:
            raise TimeoutError
        return self._frames.pop() if self._frames else None

    def close(self) -> None:
        pass


class _Answering(_Containers):
    """A container whose commands end with these exit codes, in order, and say these texts."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(itertools.repeat(True))
        self._answers = list(answers)
        self.commands: list[tuple[str, ...]] = []

    def start_exec(self, *unused: object) -> tuple[str, _Stream]:
        options = unused[1]
        assert isinstance(options, ExecOptions)
        self.commands.append(tuple(options.command))
        return str(self._answers[0][0]), _Stream(self._answers.pop(0)[1].encode())

    def exec_exit_code(self, exec_id: str) -> int:
        return int(exec_id)


_SHELL, _SERVER = (0, "sh\n"), (0, "postgres\n")


@pytest.fixture(autouse=True)
def _no_time_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "time", _Clock())


def _database(containers: _Answering, limit_s: float = 30) -> Runtime:
    """A PostgreSQL that was asked inside its service."""
    asked = second_question(postgres(1, 1, 1))
    assert asked is not None
    return Asking(containers, limit_s=limit_s).asked(replace(postgres(1, 1, 1), answer=None), asked, [_OPTIONS] * 3)  # type: ignore[arg-type]


def _settings(shared: int) -> list[tuple[int, str]]:
    return [(0, f"{shared * 128}\n"), (0, "4096"), (0, "100")]


@pytest.mark.thorough
def test_a_database_is_asked_until_its_service_has_made_the_configuration() -> None:
    containers = _Answering(
        _SERVER, (2, "no postgresql.conf"), _SERVER, (0, "3072\n"), (2, "torn"), _SERVER, *_settings(24)
    )
    runtime = _database(containers)
    assert runtime.answer is not None
    assert runtime.answer.connections == Connections(24 * MIB, 4 * MIB, 100)
    names = [words[2] if words[0] != "cat" else "first" for words in containers.commands]
    shared, work, most = "shared_buffers", "work_mem", "max_connections"
    assert names == ["first", shared, "first", shared, work, "first", shared, work, most]
    assert containers.removed == ["c1"]


@pytest.mark.thorough
def test_a_configuration_that_a_script_still_changes_is_not_taken() -> None:
    """The official image makes the configuration, runs scripts with a server beside itself, and becomes the server."""
    runtime = _database(_Answering(_SHELL, *_settings(128), (1, "no cat"), *_settings(64), _SERVER, *_settings(24)))
    assert runtime.answer is not None
    assert runtime.answer.connections == Connections(24 * MIB, 4 * MIB, 100)


def test_the_last_answer_counts_if_the_first_process_stays_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """An init may be the first process."""
    monkeypatch.setattr(asking, "time", _Clock())
    runtime = _database(_Answering(_SHELL, *_settings(128), _SHELL, *_settings(24)), limit_s=0.5)
    assert runtime.answer is not None
    assert runtime.answer.connections == Connections(24 * MIB, 4 * MIB, 100)


@pytest.mark.thorough
def test_a_last_question_that_comes_too_late_takes_no_answer_back() -> None:
    runtime = _database(_Answering(_SHELL, *_settings(24), (0, _LATE)))
    assert runtime.answer is not None
    assert runtime.answer.connections == Connections(24 * MIB, 4 * MIB, 100)
    assert "did not answer within" in (_database(_Answering((0, _LATE))).unanswered or "")


@pytest.mark.thorough
def test_an_answer_of_a_command_that_failed_does_not_count() -> None:
    containers = _Answering((1, "maxmemory\n1\n"), (0, "maxmemory\n104857600\n"))
    runtime = Asking(containers).asked(replace(redis(None), answer=None), _QUESTION, [_OPTIONS])  # type: ignore[arg-type]
    assert runtime.answer is not None
    assert runtime.answer.ceiling_bytes == 100 * MIB
    assert len(containers.commands) == 2


def test_what_a_failed_command_said_is_the_reason() -> None:
    containers = _Answering(*[(1, "Connection refused")] * 4)
    runtime = Asking(containers, limit_s=1).asked(replace(redis(None), answer=None), _QUESTION, [_OPTIONS])  # type: ignore[arg-type]
    assert runtime.unanswered == "its answer cannot be read: Connection refused, also after 1 s"


def test_a_service_that_ends_right_before_the_question_is_a_reason() -> None:
    containers = _Containers(iter([True, False]))
    runtime = Asking(containers).asked(replace(jvm(64), answer=None), _QUESTION, [_OPTIONS])  # type: ignore[arg-type]
    assert runtime.unanswered == "without its workload, the service ended at once"
    assert containers.removed == ["c1"]


def test_an_engine_that_fails_is_no_answer_of_the_runtime() -> None:
    containers = _Containers(iter([True, True]))
    with pytest.raises(EnvironmentFault, match="starting redis-cli"):
        Asking(containers).asked(replace(jvm(64), answer=None), _QUESTION, [_OPTIONS])  # type: ignore[arg-type]
    assert containers.removed == ["c1"]
