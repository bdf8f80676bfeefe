"""What else an engine tells of itself: its clock and its folder."""

from types import SimpleNamespace
from typing import cast

import pytest

from membudget.engine.connection import Engine, clock_skew_s, engine_folder
from tests.support.engine_info import DOCKER


def engine_that_says(**info: str) -> Engine:
    return Engine(cast("object", SimpleNamespace(info=lambda: info)), DOCKER, "unix:///x")  # type: ignore[arg-type]


def test_the_skew_is_read_in_nanoseconds_and_any_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_767_225_600.0)  # the first second of 2026

    assert clock_skew_s(engine_that_says(SystemTime="2026-01-01T00:00:00.123456789Z")) == pytest.approx(0.123, abs=1e-3)
    assert clock_skew_s(engine_that_says(SystemTime="2026-01-01T01:00:10+01:00")) == 10.0
    assert clock_skew_s(engine_that_says(SystemTime="soon")) is None
    assert clock_skew_s(engine_that_says()) is None


def test_the_folder_of_images_is_told() -> None:
    assert engine_folder(engine_that_says(DockerRootDir="/data/docker")) == "/data/docker"
    assert engine_folder(engine_that_says()) is None
