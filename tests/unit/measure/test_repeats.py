"""When a trial is repeated, and how closely and how often later ones look."""

from dataclasses import replace

import pytest

from membudget.core.metrics import Metric, MetricValue
from membudget.measure.certificate import Certificate, Conclusion
from membudget.measure.probe.messages import Depth, ProbeReport, Reading, Series
from membudget.measure.repeats import depth_after, read_during_kill, undisturbed, until_seen
from membudget.measure.schedule import TrialLedger
from membudget.measure.trial import Outcome, Trial
from tests.support.builders import trial

NONE = Reading(None, "none")
REPORT = ProbeReport(Series(), (), None, NONE, NONE, NONE, NONE, NONE, NONE, NONE)
NO_KILL, KILL = MetricValue.of(Metric.OOM_KILLS, 0), MetricValue.of(Metric.OOM_KILLS, 1)
NOT_KNOWN = MetricValue.absent(Metric.OOM_KILLS, "the log has a gap")


@pytest.mark.parametrize(
    ("told", "kills", "expected"),
    [
        ((False,), KILL, False),
        ((True,), KILL, True),
        ((True,), NO_KILL, True),
        ((None,), NO_KILL, False),
        ((None,), KILL, True),
        ((None,), NOT_KNOWN, True),
        ((False, True), KILL, True),
        ((False, None), KILL, True),
    ],
)
def test_a_kill_counts_as_ours_where_that_cannot_be_ruled_out(
    told: tuple[bool | None, ...], kills: MetricValue, *, expected: bool
) -> None:
    reports = [replace(REPORT, kills_meanwhile=one) for one in told]
    assert read_during_kill(reports, kills) is expected


@pytest.mark.parametrize(
    ("depth", "kills", "during", "expected"),
    [
        (Depth.MAPS, 0, False, Depth.MAPS),
        (Depth.MAPS, 1, False, Depth.STATUS),
        (Depth.MAPS, 1, True, Depth.STATUS),
        (Depth.STATUS, 1, False, Depth.STATUS),
        (Depth.STATUS, 0, False, Depth.STATUS),
        (Depth.STATUS, 2, True, Depth.NONE),
        (Depth.NONE, 2, False, Depth.NONE),
    ],
)
def test_later_trials_are_looked_at_less_closely(depth: Depth, kills: int, expected: Depth, *, during: bool) -> None:
    assert depth_after(replace(trial(20, oom_kills=kills), depth=depth, read_during_kill=during)) is expected


@pytest.mark.parametrize(
    ("disturbed", "begins", "expected"),
    [
        (set(), Depth.MAPS, [Depth.MAPS]),
        ({Depth.MAPS}, Depth.MAPS, [Depth.MAPS, Depth.STATUS]),
        ({Depth.MAPS, Depth.STATUS}, Depth.MAPS, [Depth.MAPS, Depth.STATUS, Depth.NONE]),
        ({Depth.STATUS}, Depth.STATUS, [Depth.STATUS, Depth.NONE]),
        (set(Depth), Depth.MAPS, [Depth.MAPS, Depth.STATUS, Depth.NONE]),
    ],
)
def test_a_trial_whose_kill_we_may_have_caused_is_run_again(
    disturbed: set[Depth], begins: Depth, expected: list[Depth]
) -> None:
    tried: list[Depth] = []

    def run(depth: Depth) -> Trial:
        tried.append(depth)
        return replace(trial(20, oom_kills=1), depth=depth, read_during_kill=depth in disturbed)

    assert undisturbed(run, begins).depth is expected[-1]
    assert tried == expected


SEEN = Certificate(Conclusion.CONFIRMED, 100, 0, 1, 1, 0, None)
MISSED = replace(SEEN, conclusion=Conclusion.SPIKE_MISSED)


def repeated(*certificates: Certificate, ledger: TrialLedger, highest_rate_hz: int = 1000) -> tuple[Trial, list[int]]:
    """The trial that counts, and the rates of all that were run."""
    left, rates = list(certificates), list[int]()

    def run(rate_hz: int, depth: Depth) -> Trial:
        del depth
        rates.append(rate_hz)
        return replace(trial(20), certificate=left.pop(0))

    return until_seen(run, "api", ledger, rate_hz=100, highest_rate_hz=highest_rate_hz), rates


def test_a_trial_that_missed_a_spike_is_repeated_at_higher_rates_as_are_later_ones_of_its_image() -> None:
    ledger = TrialLedger()
    assert repeated(SEEN, ledger=ledger) == (replace(trial(20), certificate=SEEN), [100])
    found, rates = repeated(MISSED, SEEN, ledger=ledger)
    assert (found.certificate, rates) == (replace(SEEN, repeated=True), [100, 1000])
    assert repeated(MISSED, ledger=ledger)[1] == [1000], "no rate is higher"
    assert repeated(MISSED, ledger=TrialLedger(), highest_rate_hz=0)[1] == [100]
    assert repeated(MISSED, MISSED, ledger=TrialLedger(), highest_rate_hz=500)[1] == [100, 500]


def test_a_repeated_trial_that_fails_does_not_count() -> None:
    trials = [replace(trial(20), certificate=MISSED), replace(trial(20), outcome=Outcome.WORKLOAD_FAILED)]
    found = until_seen(lambda *_: trials.pop(0), "api", TrialLedger(), rate_hz=100, highest_rate_hz=1000)
    assert found.outcome is Outcome.COMPLETED
    assert trials == []
