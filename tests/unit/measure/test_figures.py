"""What a probe's report becomes."""

from dataclasses import replace

import pytest

from membudget.budgets.workload import CommandWorkload, ExecWorkload
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.engine.cgroups import CgroupVersion
from membudget.measure.certificate import Certificate, EngineWord, certify
from membudget.measure.figures import (
    ONCE_A_SECOND,
    Startup,
    judged_part,
    limit_contact,
    oom_findings,
    phases,
    trial_metrics,
)
from membudget.measure.probe.messages import (
    HostSettings,
    KernelLog,
    KilledProcess,
    PhaseReading,
    ProbeReport,
    Reading,
    SamplingEffort,
    Series,
)

GONE = Reading(None, "gone")
RSS = [20 * MIB, 80 * MIB, 30 * MIB, 10 * MIB, 10 * MIB]
EFFORT = SamplingEffort(50, 5, 10_000, 84 * MIB, 4_000_000, 40_000, 1, 2_000)
REPORT = ProbeReport(
    series=Series([0, 1_000_000, 2_000_000, 3_000_000, 4_000_000], RSS, RSS, RSS, [size + MIB for size in RSS]),
    phases=(
        PhaseReading("start-up", 0, 500_000, Reading(22 * MIB)),
        PhaseReading("steady", 500_000, 2_500_000, Reading(82 * MIB)),
        PhaseReading("settle", 2_500_000, 4_000_000, Reading(None, "it did not rise")),
    ),
    effort=EFFORT,
    kernel_peak=Reading(84 * MIB),
    oom_kills=Reading(0),
    limit_hits=Reading(0),
    refaulted_bytes=Reading(0),
    swap_peak=Reading(0),
    stalled_us=Reading(1_234_567),
    cpu_usage_us=Reading(85_400),
    settings=HostSettings(),
)
READY = Startup(ready_ms=240, was_ready_at_once=False)
KILLED = KilledProcess(7, "python3", MIB, 0, 0)


def metrics(
    report: ProbeReport = REPORT,
    *,
    certificate: Certificate | None = None,
    startup: Startup = READY,
    oom_killed: bool = False,
    version: CgroupVersion = 2,
) -> dict[Metric, MetricValue]:
    given = certificate or certify(100, 2, 84 * MIB, 84 * MIB, EFFORT)
    return trial_metrics(report, judged_part(report, frozenset()), given, startup, EngineWord(oom_killed, version))


def test_every_trial_metric_has_a_value() -> None:
    assert {metric: value.value for metric, value in metrics().items()} == {
        Metric.PEAK_RSS: 80 * MIB,
        Metric.PEAK_MEMORY: 84 * MIB,
        Metric.PEAK_WORKING_SET: 80 * MIB,
        Metric.SETTLED_RSS: 10 * MIB,
        Metric.SETTLED_WORKING_SET: 10 * MIB,
        Metric.SWAP_PEAK: 0,
        Metric.OOM_KILLS: 0,
        Metric.MEMORY_PRESSURE: 1235,
        Metric.STARTUP_TIME: 240,
        Metric.CPU_SECONDS: 85,
    }


def test_what_could_not_be_had_has_a_reason_and_is_not_zero() -> None:
    nothing = replace(
        REPORT, series=Series(), phases=(), kernel_peak=GONE, oom_kills=GONE, swap_peak=GONE, stalled_us=GONE,
        cpu_usage_us=GONE,
    )  # fmt: skip
    unready = Startup(None, was_ready_at_once=False)
    values = metrics(nothing, startup=unready)
    assert {value.value for value in values.values()} == {None}
    assert all(value.reason for value in values.values())


def test_a_missed_spike_bounds_the_peak_from_above() -> None:
    peak = metrics(certificate=certify(100, 2, 81 * MIB, 200 * MIB, EFFORT))[Metric.PEAK_RSS]
    assert (peak.value, peak.at_most) == (80 * MIB, 200 * MIB)
    assert peak.precision == "lower bound: a spike was missed"


@pytest.mark.parametrize(("mark", "at_most"), [(200 * MIB, 200 * MIB), (None, 160 * MIB)])
def test_once_a_second_proves_little(mark: int | None, at_most: int) -> None:
    by_engine = replace(REPORT, effort=None)
    peak = metrics(by_engine, certificate=certify(1, 2, 81 * MIB, mark, None))[Metric.PEAK_RSS]
    assert (peak.value, peak.at_most, peak.precision) == (80 * MIB, at_most, ONCE_A_SECOND)


@pytest.mark.parametrize(
    ("why_not_awaited", "reason"),
    [
        (CommandWorkload.no_readiness, "run to its end"),
        (ExecWorkload.no_readiness, "waits for no"),
        (None, "never ready"),
    ],
)
def test_no_startup_time_says_why(why_not_awaited: str | None, reason: str) -> None:
    startup = Startup(None, was_ready_at_once=False, why_not_awaited=why_not_awaited)
    value = metrics(startup=startup)[Metric.STARTUP_TIME]
    assert value.value is None
    assert reason in str(value.reason)


def test_a_service_that_was_ready_before_it_was_asked_has_an_upper_bound() -> None:
    value = metrics(startup=replace(READY, was_ready_at_once=True))[Metric.STARTUP_TIME]
    assert value.precision.startswith("upper bound")


def test_a_container_that_ended_has_nothing_to_settle() -> None:
    value = metrics(replace(REPORT, phases=REPORT.phases[1:2]))[Metric.SETTLED_RSS]
    assert "ended with its workload" in str(value.reason)


def test_the_killed_are_named_and_those_who_are_not_are_said() -> None:
    kills = MetricValue.of(Metric.OOM_KILLS, 2)
    assert oom_findings(REPORT, MetricValue.of(Metric.OOM_KILLS, 0)) is None
    found = oom_findings(replace(REPORT, kernel_log=KernelLog((KILLED,), 1, None)), kills)
    assert found is not None
    assert found.killed == (KILLED,)
    assert "does not name all" in str(found.reason)


NEVER_READY = Startup(None, was_ready_at_once=False)


@pytest.mark.parametrize("ready_ms", [0, 5, 499, 500, 9999])
def test_the_start_up_phase_takes_as_long_as_the_startup_time(ready_ms: int) -> None:
    """The phase began 183 ms before the service was ready, because the engine took that long, and 5 ms were told."""
    start_up, steady, _ = phases(REPORT, Startup(ready_ms, was_ready_at_once=False))
    assert start_up.duration_ms == min(500, ready_ms)
    assert (start_up.begin_ms, steady.begin_ms) == (0, start_up.duration_ms)
    assert steady.begin_us == start_up.begin_us + 1000 * start_up.duration_ms
    assert start_up.peak_rss.value == 20 * MIB, "what came before still counts"


def test_each_phase_has_its_own_peaks() -> None:
    start_up, steady, settle = phases(REPORT, NEVER_READY)
    assert [phase.duration_ms for phase in (start_up, steady, settle)] == [500, 2000, 1500]
    assert [phase.peak_rss.value for phase in (start_up, steady, settle)] == [20 * MIB, 80 * MIB, 10 * MIB]
    assert steady.peak_memory.value == 82 * MIB
    assert steady.peak_memory.precision.startswith("exact")
    assert settle.peak_memory.value == 11 * MIB
    assert settle.peak_memory.precision == "sampled, lower bound: it did not rise"


@pytest.mark.parametrize(
    ("hits", "stalled", "refaulted", "thrashing"),
    [
        (Reading(5), Reading(30_000), Reading(0), True),  # 3 % of a second
        (Reading(5), Reading(10_000), Reading(64 * MIB), False),
        (Reading(5), GONE, Reading(4 * MIB), True),
        (Reading(5), GONE, Reading(1 * MIB), False),
        (Reading(5), GONE, GONE, False),
        (Reading(0), Reading(999_999), Reading(64 * MIB), None),
        (Reading(0), GONE, Reading(64 * MIB), True),  # v1 with a limit on swap: the mark says that it was reached
        (GONE, GONE, Reading(1 * MIB), None),
    ],
)
def test_a_container_at_its_limit_thrashes_or_does_not(
    hits: Reading, stalled: Reading, refaulted: Reading, thrashing: bool | None
) -> None:
    report = replace(REPORT, limit_hits=hits, stalled_us=stalled, refaulted_bytes=refaulted)
    contact = limit_contact(report, 64 * MIB, 1000)
    assert (contact.is_thrashing if contact else None) is thrashing
    assert limit_contact(report, None, 1000) is None


def test_pages_that_were_needed_again_are_no_thrashing_below_the_limit() -> None:
    report = replace(REPORT, stalled_us=GONE, refaulted_bytes=Reading(64 * MIB))
    assert limit_contact(report, 85 * MIB, 1000) is None


@pytest.mark.parametrize(("looks", "at_most"), [(4, 256 * MIB), (5, 160 * MIB)])
def test_a_few_looks_of_the_engines_prove_nothing_below_the_limit(looks: int, at_most: int) -> None:
    series = Series([*range(looks)], RSS[:looks], RSS[:looks], RSS[:looks], RSS[:looks])
    certificate = certify(1, 2, 80 * MIB, None, None)
    word = EngineWord(oom_killed=False, cgroup_version=2, limit_bytes=256 * MIB)
    seen = replace(REPORT, series=series, effort=None)
    peak = trial_metrics(seen, judged_part(seen, frozenset()), certificate, READY, word)[Metric.PEAK_RSS]
    assert peak.at_most == at_most
