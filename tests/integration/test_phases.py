"""The parts of a trial, each with its own peaks, and what vouches for them: the kernel's marks."""

from collections.abc import Iterator

import pytest

from membudget.budgets.workload import ExecWorkload
from membudget.budgets.workload_parts import HttpRequests
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.measure.certificate import Conclusion
from membudget.measure.runner import RunnerSettings
from membudget.measure.trial import Outcome, PhaseName, RanInside, Trial
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, command, http, trials_at

SPIKE_MIB = 16
SPIKES = [command(20, SPIKE_MIB, 40, 1, pause_ms) for pause_ms in range(300, 800, 50)]
"""20 MiB, and once, for about 45 ms, 16 MiB more: a hundred looks a second see it even on a machine that is busy. Who
looks four times a second sees few of these, which come at other moments between two looks."""


def known(value: MetricValue) -> int:
    assert value.value is not None, value.reason
    return value.value


@pytest.fixture(scope="module")
def exercised(from_host: Trials, images: PreparedImages) -> Trial:
    """A service that keeps 5 MiB, and takes 60 more while the burst lasts."""
    keep = HttpRequests(path="/hold/1", count=5, concurrency=1)
    burst = HttpRequests(path="/pass/60", count=3, concurrency=1, phase="burst")
    trial = from_host.run(images.service, http(keep, burst), settle_ms=1000)
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    return trial


def test_a_services_phases_follow_one_another(exercised: Trial) -> None:
    assert [phase.name for phase in exercised.phases] == [
        PhaseName.START_UP, PhaseName.STEADY, PhaseName.BURST, PhaseName.SETTLE,
    ]  # fmt: skip
    start_up, steady, burst, settle = exercised.phases
    assert start_up.begin_ms == 0
    for earlier, later in ((start_up, steady), (steady, burst), (burst, settle)):
        assert later.begin_ms == pytest.approx(earlier.begin_ms + earlier.duration_ms, abs=2)
    assert start_up.duration_ms >= 200  # the service sleeps as long
    assert burst.duration_ms >= 300  # three requests of 100 ms
    assert settle.duration_ms >= 900


def test_each_phase_has_its_own_peaks(exercised: Trial) -> None:
    start_up, steady, burst, settle = exercised.phases
    rss = [known(phase.peak_rss) for phase in exercised.phases]
    assert rss[0] < rss[1] < rss[2]
    assert rss[2] > rss[1] + 50 * MIB
    assert known(exercised.metrics[Metric.PEAK_RSS]) == rss[2]
    assert known(burst.peak_memory) == known(exercised.metrics[Metric.PEAK_MEMORY])
    assert known(steady.peak_memory) < known(burst.peak_memory) - 50 * MIB
    assert known(start_up.peak_memory) > rss[0]
    assert known(settle.peak_memory) > 5 * MIB


def test_the_kernels_mark_is_started_anew_for_each_phase_on_cgroup_v1(engine: Engine, exercised: Trial) -> None:
    if engine.info.cgroup_version != 1:
        pytest.skip("v2's mark can be reset since Linux 6.12 only: tests/e2e/test_cgroup2_vm.py has a v2 machine")
    precisions = {phase.peak_memory.precision for phase in exercised.phases}
    assert precisions == {Metric.PEAK_MEMORY.definition.precision}
    _, _, burst, settle = exercised.phases
    assert known(settle.peak_memory) < known(burst.peak_memory) - 50 * MIB  # it went down: it is the phase's own


def test_a_service_has_a_startup_time_and_settles(exercised: Trial) -> None:
    assert 200 <= known(exercised.metrics[Metric.STARTUP_TIME]) == exercised.phases[0].duration_ms
    assert known(exercised.metrics[Metric.CPU_SECONDS]) > 0
    settled = known(exercised.metrics[Metric.SETTLED_RSS])
    assert 5 * MIB < settled < known(exercised.phases[2].peak_rss) - 50 * MIB
    assert exercised.ran_inside == ()


def test_the_snapshot_near_the_peak_names_the_process(exercised: Trial) -> None:
    snapshot = exercised.snapshot
    assert snapshot is not None, exercised.snapshot_reason
    assert snapshot.rss_bytes > 0.9 * known(exercised.metrics[Metric.PEAK_RSS])
    (process,) = snapshot.processes
    assert process.name == "python3"
    assert process.arguments == ("python3", "/service.py")
    assert process.high_water_bytes is not None
    assert process.high_water_bytes >= 0.9 * process.rss_bytes
    assert process.unreclaimable_bytes == pytest.approx(snapshot.seen_bytes, rel=0.03)
    if process.pss_bytes is None:  # on a busy machine a burst of 100 ms may be over before its memory map is read
        assert "no memory map was read" in str(snapshot.detail)
        return
    assert snapshot.kinds["anonymous"] > 60 * MIB
    assert any("python3" in file.path for file in snapshot.files)


def test_commands_that_ran_inside_are_said(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.service, ExecWorkload(kind="exec", commands=(("true",),)))

    assert trial.ran_inside == (RanInside.COMMANDS,)
    assert [phase.name for phase in trial.phases] == [PhaseName.STEADY]
    assert trial.metrics[Metric.STARTUP_TIME].reason == "the workload waits for no readiness"


@pytest.fixture
def slow(engine: Engine, images: PreparedImages, on_host: None, request: pytest.FixtureRequest) -> Iterator[Trials]:
    """Trials that begin at 1 Hz, and may go up to the parameter."""
    with trials_at(engine, RunnerSettings(rate_hz=1, highest_rate_hz=request.param)) as running:
        yield running


@pytest.mark.parametrize("slow", [1000], indirect=True)
def test_a_missed_spike_is_found_when_the_trial_is_repeated(slow: Trials, images: PreparedImages) -> None:
    tried = (slow.run(images.truth, spike) for spike in SPIKES)
    trial = next(trial for trial in tried if trial.certificate is not None and trial.certificate.repeated)

    assert trial.certificate is not None
    assert trial.certificate.conclusion is Conclusion.CONFIRMED
    assert trial.certificate.rate_hz > 1
    peak = trial.metrics[Metric.PEAK_RSS]
    assert known(peak) == pytest.approx((20 + SPIKE_MIB) * MIB, rel=0.03)
    assert peak.at_most is None


@pytest.mark.parametrize("slow", [1], indirect=True)
def test_a_spike_that_stays_missed_makes_the_peak_a_lower_bound(slow: Trials, images: PreparedImages) -> None:
    tried = (slow.run(images.truth, spike) for spike in SPIKES)
    trial = next(
        trial
        for trial in tried
        if trial.certificate is not None and trial.certificate.missed_bytes > SPIKE_MIB * MIB / 2
    )

    assert trial.certificate is not None
    assert trial.certificate.conclusion is Conclusion.SPIKE_MISSED
    assert not trial.certificate.repeated
    peak, mark = trial.metrics[Metric.PEAK_RSS], known(trial.metrics[Metric.PEAK_MEMORY])
    assert peak.precision == "lower bound: a spike was missed"
    assert peak.at_most == mark
    assert known(peak) < (20 + SPIKE_MIB) * MIB <= mark  # the truth lies between
