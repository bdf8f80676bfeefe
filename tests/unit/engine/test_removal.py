"""Removal on engines that refuse: by a stand-in for the engine's API, in no time."""

import pytest
from docker.errors import APIError, NotFound
from requests import Response

from membudget.engine import removal
from membudget.engine.removal import remove_container, remove_each


class Busy:
    """An engine that refuses so often to remove a container, and says when a removal was asked for."""

    def __init__(self, refusals: int, status: int = 500) -> None:
        self.client = self
        self.api = self
        self.asked_s: list[float] = []
        self.now_s = 0.0
        self._refusals = refusals
        self._status = status

    def remove_container(self, name: str, *, force: bool, v: bool) -> None:
        assert (name, force, v) == ("trial", True, True)
        self.asked_s.append(self.now_s)
        if len(self.asked_s) <= self._refusals:
            raise refusal(self._status)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def refusal(status: int) -> APIError:
    response = Response()
    response.status_code = status
    return (NotFound if status == 404 else APIError)("refused", response, "timed out waiting for the exit file")


def removed(monkeypatch: pytest.MonkeyPatch, engine: Busy) -> list[float]:
    monkeypatch.setattr(removal, "time", engine)
    remove_container(engine, "trial")  # type: ignore[arg-type]
    return engine.asked_s


@pytest.mark.parametrize("status", [500, 409])
def test_a_busy_engine_is_asked_again(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    assert removed(monkeypatch, Busy(3, status)) == [0, 0.5, 1, 1.5]


def test_what_is_gone_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert removed(monkeypatch, Busy(1, 404)) == [0]


def test_who_must_not_remove_it_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Busy(1000, 403)
    with pytest.raises(APIError, match="exit file"):
        removed(monkeypatch, engine)
    assert engine.asked_s == [0]


def test_several_containers_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Busy(1000)
    monkeypatch.setattr(removal, "time", engine)
    end = removal.patience_ends()
    with pytest.raises(APIError, match="exit file"):
        remove_each(lambda name: remove_container(engine, name, end), ["trial"] * 3)  # type: ignore[arg-type]
    assert engine.asked_s[-3:] == [10, 10, 10]


def test_an_engine_that_always_refuses_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Busy(1000)
    with pytest.raises(APIError, match="exit file"):
        removed(monkeypatch, engine)
    assert engine.asked_s[-1] == 10


def test_one_refusal_does_not_keep_the_rest() -> None:
    asked: list[str] = []

    def remove(name: str) -> None:
        asked.append(name)
        if name != "b":
            raise refusal(500)

    with pytest.raises(APIError, match="exit file"):
        remove_each(remove, ["a", "b", "c"])
    assert asked == ["a", "b", "c"]
