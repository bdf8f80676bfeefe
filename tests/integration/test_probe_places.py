"""Where the probe may be: each place sees the same, or says what it cannot see."""

from collections.abc import Iterator

import pytest

from membudget.budgets.rules import EffectiveBudget
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.vantage import Vantage, vantage_on
from membudget.judge.metric import Verdict, judge_metric
from membudget.measure import equipment
from membudget.measure.certificate import Conclusion
from membudget.measure.equipment import MeasuringOptions
from membudget.measure.figures import ONCE_A_SECOND
from membudget.measure.trial import Outcome, Trial
from membudget.version import VERSION
from tests.support.prepared_images import PreparedImages
from tests.support.said import reason_of
from tests.support.trials import Trials, command, trials

SPIKE = command(20, 60, 150, 2, 200)
ACCOUNTED = (Metric.PEAK_RSS, Metric.PEAK_MEMORY, Metric.PEAK_WORKING_SET)


@pytest.fixture(scope="module")
def by_engine(engine: Engine, images: PreparedImages, tidy: None) -> Iterator[Trials]:
    """Trials of which only the engine's statistics are known."""
    with trials(engine, MeasuringOptions(VERSION, "engine")) as running:
        yield running
    assert running.warnings == []


@pytest.fixture(scope="module")
def by_statistics(by_engine: Trials, images: PreparedImages) -> Trial:
    """A trial long enough to be in them."""
    trial = by_engine.run(images.truth, command(20, 0, 2500, 1, 0))
    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    return trial


def test_a_container_sees_what_the_host_sees(from_container: Trials, from_host: Trials, images: PreparedImages) -> None:
    assert from_host.place == "host cgroup files"
    assert from_container.place == "probe container, host cgroup files read-only"
    here, there = (place.run(images.truth, SPIKE) for place in (from_host, from_container))

    for metric in ACCOUNTED:
        assert there.metrics[metric].value == pytest.approx(here.metrics[metric].value, abs=MIB), metric
        assert there.metrics[metric].precision == here.metrics[metric].precision
    assert there.metrics.keys() == here.metrics.keys()
    for metric, reading in here.metrics.items():
        assert (there.metrics[metric].value is None) == (reading.value is None), metric
    assert there.settings == here.settings


def test_a_container_sees_whose_memory_it_is(from_container: Trials, images: PreparedImages) -> None:
    trial = from_container.run(images.truth, SPIKE)

    snapshot = trial.snapshot
    assert snapshot is not None, trial.snapshot_reason
    assert snapshot.rss_bytes > 76 * MIB
    (process,) = snapshot.processes
    assert process.name == "truth"
    assert process.pss_bytes is not None  # which takes SYS_PTRACE
    assert process.pss_bytes == pytest.approx(process.rss_bytes, rel=0.02)
    assert process.unreclaimable_bytes == pytest.approx(snapshot.seen_bytes, rel=0.02)
    assert snapshot.unreadable == 0


def test_a_container_reads_who_was_killed(from_container: Trials, images: PreparedImages) -> None:
    trial = from_container.run(images.truth, command(20, 100, 20, 1, 50, "child"), limit_mib=64)

    assert trial.outcome is Outcome.OOM_KILLED
    assert trial.oom is not None
    assert trial.oom.reason is None  # which takes SYSLOG and /dev/kmsg
    assert {killed.name for killed in trial.oom.killed} == {"truth"}  # on a busy machine its parent may be, too
    assert trial.oom.killed[0].rss_bytes == pytest.approx(64 * MIB, rel=0.1)
    assert trial.oom.killed[0].limit_bytes in (64 * MIB, None)  # the kernel limits how often it tells


def test_the_engines_statistics_say_how_little_they_see(by_engine: Trials, by_statistics: Trial) -> None:
    assert by_engine.place == "the engine's statistics: 1 Hz, may miss spikes"
    peak = by_statistics.metrics[Metric.PEAK_RSS]
    assert peak.value == pytest.approx(20 * MIB, rel=0.03)
    assert peak.precision == ONCE_A_SECOND == "1 Hz, may miss spikes"
    assert peak.value is not None
    assert peak.at_most is not None
    assert peak.at_most > peak.value
    assert by_statistics.certificate is not None
    assert by_statistics.certificate.effort is None
    assert by_statistics.snapshot is None
    assert by_statistics.snapshot_reason is not None


def test_statistics_leave_a_tight_budget_open_and_answer_a_wide_one(by_statistics: Trial) -> None:
    peak = by_statistics.metrics[Metric.PEAK_RSS]
    assert peak.value is not None
    assert peak.at_most is not None

    tight, wide, broken = (
        judge_metric(Metric.PEAK_RSS, None, peak, EffectiveBudget(allowed))
        for allowed in ((peak.value + peak.at_most) // 2, peak.at_most, peak.value - MIB)
    )

    assert tight.verdict is Verdict.INCONCLUSIVE
    assert ONCE_A_SECOND in str(reason_of(tight))
    assert wide.verdict is Verdict.PASS
    assert broken.verdict is Verdict.FAIL


def test_memory_that_the_statistics_never_saw_is_not_confirmed(by_engine: Trials, images: PreparedImages) -> None:
    """It ends between two of them: neither may its peak be sure, nor bounded by a mark from before."""
    trial = by_engine.run(images.truth, command(2, 60, 50, 1, 300))

    assert trial.certificate is not None
    assert trial.certificate.conclusion is not Conclusion.CONFIRMED
    peak = trial.metrics[Metric.PEAK_RSS]
    assert peak.value is None or (peak.at_most or peak.value) >= 62 * MIB


def test_where_neither_cgroups_nor_a_helper_image_are_the_statistics_are_left(
    engine: Engine, images: PreparedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equipment, vantage_on.__name__, lambda *_: Vantage(reads_cgroups=False, is_root=False))

    with trials(engine, MeasuringOptions("0.0.0")) as running:
        trial = running.run(images.truth, command(20, 0, 100, 1, 0))

    assert trial.outcome is Outcome.COMPLETED
    assert running.place == "the engine's statistics: 1 Hz, may miss spikes"
    (warning,) = running.warnings
    assert "has no image membudget:0.0.0" in warning
    assert "1 Hz, may miss spikes" in warning


def test_a_container_that_is_faster_than_the_statistics_has_no_peak_and_says_why(
    engine: Engine, images: PreparedImages
) -> None:
    with trials(engine, MeasuringOptions(VERSION, "engine")) as running:
        all_trials = [running.run(images.truth, command(20, 0, 1, 1, 0)) for _ in range(3)]

    assert {trial.outcome for trial in all_trials} == {Outcome.COMPLETED}
    for peak in (trial.metrics[Metric.PEAK_RSS] for trial in all_trials):
        assert peak.value is not None or peak.reason is not None
