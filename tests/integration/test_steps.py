"""Workloads of several steps, phases that are not judged, and what a connection, a stream or a request costs."""

import pytest

from membudget.budgets.workload import Step, StepsWorkload
from membudget.budgets.workload_parts import Driver, ExecCommand, HttpRequests, Readiness
from membudget.core.metrics import Metric
from membudget.core.quantities import KIB, MIB
from membudget.measure.trial import Outcome, RanInside, Trial, TrialInputs
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, http

TAKES = {
    Metric.RSS_PER_CONNECTION: {"CONNECTION_KIB": "256"},
    Metric.RSS_PER_STREAM: {"STREAM_KIB": "256"},
}
FETCH = ("python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/leak/1').read()")


def steps(*all_steps: Step, ready: Readiness | None = None) -> StepsWorkload:
    return StepsWorkload(kind="steps", steps=all_steps, ready=ready)


def run(command: tuple[str, ...]) -> tuple[ExecCommand, ...]:
    return (ExecCommand(run=command),)


def test_each_step_is_a_phase_of_its_own_kind(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(
        images.service,
        steps(
            Step(phase="warm-up", http=(HttpRequests(path="/hold/20", count=1),)),
            Step(phase="inside", exec=run(("true",)), repeat=3),
            Step(phase="inside", exec=run(("sh", "-c", "exit 0"))),
            Step(phase="driven", driver=Driver(image=images.service, entrypoint=FETCH[:2], command=FETCH[2:])),
            Step(phase="rest", idle="300ms"),
            Step(http=(HttpRequests(path="/", duration="200ms"),)),
            Step(exec=run(("true",)), duration="200ms"),
        ),
        settle_ms=100,
    )
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    names = [phase.name for phase in trial.phases]
    assert names == ["start-up", "warm-up", "inside", "driven", "rest", "steady", "settle"]
    assert trial.phases[4].duration_ms >= 300
    assert trial.phases[5].duration_ms >= 400
    assert {load.phase for load in trial.load} == {"warm-up", "steady"}
    assert trial.ran_inside == (RanInside.COMMANDS,)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Step(exec=run(("false",))), "the command false exited with code 1"),
        (Step(http=(HttpRequests(path="/exit/3", count=1),)), "the container exited with code 3"),
        (Step(driver=Driver(image="IMAGE", entrypoint=("sh", "-c"), command=("exit 1",))), "exited with code 1"),
    ],
)
def test_a_step_that_fails_is_the_last(from_host: Trials, images: PreparedImages, step: Step, reason: str) -> None:
    if step.driver is not None:
        step = step.model_copy(update={"driver": step.driver.model_copy(update={"image": images.service})})
    trial = from_host.run(images.service, steps(step, Step(idle="60000ms"), ready=Readiness(tcp=8080)))
    assert trial.outcome is Outcome.WORKLOAD_FAILED, "idling would have taken longer than the trial may"
    assert reason in str(trial.reason)


def test_a_service_that_ends_while_nothing_is_asked_of_it_has_failed(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.truth, steps(Step(idle="60000ms")))
    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert "during its workload" in str(trial.reason)


def test_idling_ends_with_the_trials_time(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.service, steps(Step(idle="60000ms")), timeout_ms=1500)
    assert trial.outcome is Outcome.TIMED_OUT
    assert trial.duration_ms < 60_000


def test_a_warm_up_that_is_not_judged_counts_to_no_peak(from_host: Trials, images: PreparedImages) -> None:
    workload = steps(
        Step(phase="warm-up", http=(HttpRequests(path="/pass/60", count=1),)),
        Step(http=(HttpRequests(path="/hold/10", count=1), HttpRequests(path="/sleep/0.2", count=2))),
    )
    whole = from_host.run(images.service, workload)
    judged = from_host.run(images.service, workload, unjudged=frozenset({"warm-up"}))
    for metric in (Metric.PEAK_RSS, Metric.PEAK_MEMORY, Metric.PEAK_WORKING_SET):
        assert at_most(whole, metric) > 65 * MIB, metric
        assert 15 * MIB < at_most(judged, metric) < 45 * MIB, metric
    # What is sampled between the last phase and the container's end is judged as well.
    assert known_phase(judged, "steady") <= known(judged, Metric.PEAK_RSS)


@pytest.mark.parametrize(
    ("metric", "group", "each_kib"),
    [
        (
            Metric.RSS_PER_CONNECTION,
            HttpRequests(path="/", count=1, connections=100, ramp="2000ms"),
            256,
        ),
        (
            Metric.RSS_PER_STREAM,
            HttpRequests(path="/events", count=60, concurrency=60, ramp="2000ms", read_for="3000ms"),
            256,
        ),
        (Metric.RSS_PER_1000_REQUESTS, HttpRequests(path="/leak/32", rate=250, duration="3000ms"), 32_000),
    ],
)
def test_what_each_costs_is_what_the_service_takes(
    from_host: Trials, images: PreparedImages, metric: Metric, group: HttpRequests, each_kib: int
) -> None:
    inputs = TrialInputs(environment=TAKES.get(metric, {}))
    trial = from_host.run(images.service, http(group), inputs=inputs)
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    value = trial.metrics[metric]
    assert value.value is not None, value.reason
    # A thread of the service comes to that, some 20 KiB each.
    assert 0.95 * each_kib * KIB <= value.value <= 1.15 * each_kib * KIB
    assert value.interval is not None
    assert value.interval[1] - value.interval[0] < 0.8 * value.value  # on a busy machine, too


def known(trial: Trial, metric: Metric) -> int:
    value = trial.metrics[metric]
    assert value.value is not None, value.reason
    return value.value


def at_most(trial: Trial, metric: Metric) -> int:
    """The metric, or its upper bound where a busy machine missed a spike and says so."""
    found = trial.metrics[metric].worst(metric)
    assert found is not None, trial.metrics[metric].reason
    return found


def known_phase(trial: Trial, name: str) -> int:
    (phase,) = (phase for phase in trial.phases if phase.name == name)
    assert phase.peak_rss.value is not None
    return phase.peak_rss.value
