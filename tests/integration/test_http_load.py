"""HTTP load against a real service: rates, ramps, slow readers, held connections, bodies, and soaks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.budgets.workload_parts import HttpRequests
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.judge.leak import Trend, soak_requests, soak_verdict
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.measure.load import LoadResult
from membudget.measure.trial import Outcome, PhaseName, Trial, TrialInputs
from tests.support.builders import side
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, http, trials


@pytest.fixture(scope="module")
def running(engine: Engine) -> Iterator[Trials]:
    with trials(engine) as made:
        yield made


def load(running: Trials, images: PreparedImages, *groups: HttpRequests, checkout: Path | None = None) -> Trial:
    return running.run(images.service, http(*groups), inputs=TrialInputs(checkout=checkout))


def result(trial: Trial) -> LoadResult:
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    (one,) = trial.load
    return one


def test_a_rate_is_kept_for_a_duration(running: Trials, images: PreparedImages) -> None:
    one = result(load(running, images, HttpRequests(path="/", rate=50, duration="2s", phase="soak")))

    assert (one.requests, one.errors, one.phase) == (100, 0, "soak")
    assert one.duration_ms >= 1900
    assert one.p50_us is not None
    assert one.p99_us is not None
    assert 0 < one.p50_us <= one.p99_us


def test_a_ramp_takes_half_as_many_while_it_lasts(running: Trials, images: PreparedImages) -> None:
    one = result(load(running, images, HttpRequests(path="/", rate=100, ramp="1s", duration="2s")))

    assert one.requests == 150


def test_bodies_come_from_a_file_or_from_chance(running: Trials, images: PreparedImages, tmp_path: Path) -> None:
    (tmp_path / "cover.jpg").write_bytes(bytes(1000))
    groups = (
        HttpRequests(path="/", method="PUT", body_file="cover.jpg", count=3, expect=201, phase="small"),
        HttpRequests(path="/", method="PUT", body_size="3MiB", count=3, expect=201, phase="large"),
    )
    trial = load(running, images, *groups, checkout=tmp_path)

    assert trial.outcome is Outcome.COMPLETED
    assert [one.received_bytes for one in trial.load] == [3 * len("1000"), 3 * len("3145728")]
    assert [phase.name for phase in trial.phases] == [PhaseName.START_UP, "small", "large"]


def test_connections_are_held_open_without_a_word(running: Trials, images: PreparedImages) -> None:
    one = result(load(running, images, HttpRequests(path="/", count=10, connections=200)))

    assert one.connections_open == 200


def test_streams_are_read_for_a_while_and_downloads_slowly(running: Trials, images: PreparedImages) -> None:
    streams = HttpRequests(path="/events", count=5, concurrency=5, read_for="1s", phase="streams")
    slowly = HttpRequests(path="/endless", count=1, read_rate="512KiB", read_for="2s", phase="slowly")
    trial = load(running, images, streams, slowly)

    assert trial.outcome is Outcome.COMPLETED
    streamed, slow = trial.load
    assert 1000 <= streamed.duration_ms < 5000
    assert streamed.received_bytes >= 5 * 5 * len("data: tick\n\n")
    assert slow.received_bytes <= 2 * MIB


def test_errors_within_what_is_tolerated_pass(running: Trials, images: PreparedImages) -> None:
    failing = HttpRequests(path="/status/503", count=10)

    trial = load(running, images, failing.model_copy(update={"errors": 100.0}))
    assert result(trial).errors == 10
    assert load(running, images, failing).outcome is Outcome.WORKLOAD_FAILED


@pytest.mark.parametrize(("path", "trend"), [("/leak/64", Trend.GROWTH), ("/cache/256", Trend.PLATEAU)])
def test_a_leak_and_a_cache_that_levels_off_are_told_apart(
    running: Trials, images: PreparedImages, path: str, trend: Trend
) -> None:
    soak = HttpRequests(path=path, rate=60, duration="8s", phase="soak")
    head = side(load(running, images, soak))
    image = ImageMeasurement("api", Presence.HEAD_ONLY, 128 * MIB, "a soak", {}, head=head)

    verdict = soak_verdict(image)

    assert verdict is not None
    assert verdict.trend is trend
    assert soak_requests(image) == 480
