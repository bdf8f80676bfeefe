"""How closely processes are looked at after an OOM kill, and how a trial's reason is put together."""

from dataclasses import replace

import pytest

from membudget.budgets.workload import CommandWorkload
from membudget.core.metrics import Metric, MetricValue
from membudget.measure.probe.messages import Depth, ProbeReport, Reading, Series
from membudget.measure.trial import (
    Outcome,
    Trial,
    TrialSpec,
    WorkloadResult,
    depth_after,
    outcome_of,
    read_during_kill,
    undisturbed,
    with_trouble,
)
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


def test_what_to_do_comes_last_in_a_trials_reason() -> None:
    spec = TrialSpec("api", "api", None, 60_000, CommandWorkload())
    refused = WorkloadResult(passed=False, reason="not ready", fix="set port = 3000")
    failed = with_trouble(refused, "the service db exited with code 1")
    outcome, reason = outcome_of(spec, failed, 137, NO_KILL, NO_KILL)
    what = "not ready (the service db exited with code 1): ended by SIGKILL, but not by the OOM killer"
    assert (outcome, reason) == (Outcome.WORKLOAD_FAILED, f"{what}\n  fix: set port = 3000")
    late = replace(refused, reason=None, timed_out=True)
    assert outcome_of(spec, late, None, NO_KILL, NO_KILL) == (
        Outcome.TIMED_OUT,
        "still running after 60.0 s\n  fix: set port = 3000",
    )
