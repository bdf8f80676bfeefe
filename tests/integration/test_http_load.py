"""HTTP load against a real service: rates, ramps, slow readers, held connections, bodies, and soaks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.budgets.workload_parts import HttpRequests
from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, MIB
from membudget.engine.connection import Engine
from membudget.judge.leak import Trend, soak_requests, soak_verdict
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.measure.load import LoadResult
from membudget.measure.throughput import PERCENTILES
from membudget.measure.trial import Outcome, PhaseName, Trial, TrialInputs
from membudget.report.formats import markdown
from tests.support.builders import image, report, side
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
    assert streamed.duration_ms >= 1000
    assert streamed.received_bytes >= 5 * 2 * len("data: tick\n\n")  # ten each, where the service is in time
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
    soaked = ImageMeasurement("api", Presence.HEAD_ONLY, 128 * MIB, "a soak", {}, head=head)

    verdict = soak_verdict(soaked)

    assert verdict is not None
    assert verdict.trend is trend
    assert soak_requests(soaked) == 480


def rate_of(trial: Trial) -> int:
    value = trial.metrics[Metric.REQUESTS_PER_SECOND].value
    assert value is not None
    return value


def test_latency_and_throughput_are_those_of_a_service_that_takes_a_known_time(
    running: Trials, images: PreparedImages
) -> None:
    """Four clients of a service that takes 20 ms get at most 200 answers a second, none earlier than after 20 ms."""
    trial = load(running, images, HttpRequests(path="/sleep/0.02", count=120, concurrency=4))

    assert result(trial).succeeded == 120
    p50, p95, p99 = (trial.metrics[metric].value or 0 for metric, _ in PERCENTILES)
    assert 20_000 <= p50 <= p95 <= p99
    assert 0 < rate_of(trial) <= 200_000
    peak = trial.metrics[Metric.PEAK_RSS].value or 0
    least = (rate_of(trial) - 1) * GIB // peak  # the rate is rounded to a thousandth of a request a second
    assert (trial.metrics[Metric.REQUESTS_PER_GIB].value or 0) >= least


def test_with_a_rate_latency_counts_from_when_a_request_was_due(running: Trials, images: PreparedImages) -> None:
    """One client, requests due every 50 ms, answers after 200 ms: half of 20 requests wait for 1.5 s or longer."""
    late = HttpRequests(path="/sleep/0.2", rate=20, count=20, concurrency=1)
    one = result(load(running, images, late))

    assert one.p50_us is not None
    assert one.p50_us >= 1_500_000


def test_failed_requests_are_no_throughput_and_those_of_unjudged_phases_do_not_count(
    running: Trials, images: PreparedImages
) -> None:
    failing = HttpRequests(path="/status/503", count=40, errors=100)
    first = HttpRequests(path="/sleep/0.05", count=40, phase="warm-up")
    workload = http(first, failing)
    trial = running.run(images.service, workload, unjudged=frozenset({"warm-up"}))

    assert trial.outcome is Outcome.COMPLETED
    assert rate_of(trial) == 0
    assert trial.metrics[Metric.LATENCY_P50].reason == "no request succeeded"
    assert rate_of(running.run(images.service, workload)) > 0


def test_a_service_that_became_slow_fails_its_budgets_in_the_comment(running: Trials, images: PreparedImages) -> None:
    quick, slow = (  # so different that a busy machine makes nothing else of it
        side(load(running, images, HttpRequests(path=f"/sleep/{seconds}", count=40, concurrency=5)))
        for seconds in ("0.01", "0.5")
    )
    budgets = {
        Metric.REQUESTS_PER_SECOND: EffectiveBudget(min=50_000, tolerance=Tolerance(20, 5000)),
        Metric.LATENCY_P95: EffectiveBudget(tolerance=Tolerance(50, 5000)),
    }
    said = markdown.render(report(image("api", base=quick, head=slow, allowed=budgets)).judged())
    said = said.replace("\N{NO-BREAK SPACE}", " ")

    assert "| ❌ under budget | `api`<br>throughput |" in said
    assert "throughput is under `min` and fell more than `drop` allows" in said
    assert "latency p95 grew more than `growth` allows" in said
