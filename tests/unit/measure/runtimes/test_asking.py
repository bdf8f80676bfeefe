"""A runtime that is asked inside its service, which may end at any moment."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from membudget.core.errors import EnvironmentFault
from membudget.engine.options import ContainerOptions
from membudget.measure.runtimes.asking import Asking
from membudget.measure.runtimes.questions import Question
from tests.support.runtimes import jvm

_OPTIONS = ContainerOptions(image="sha256:1", name="question", role="trial")
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

    def start_exec(self, *_unused: object) -> None:
        raise EnvironmentFault("starting redis-cli inside the container failed: it is not running")

    def remove(self, container_id: str) -> None:
        self.removed.append(container_id)


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
