"""What trials showed, in sentences."""

from dataclasses import replace

import pytest

from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.measure.certificate import OomDoubt
from membudget.measure.load import LoadResult
from membudget.measure.probe.messages import KilledProcess
from membudget.measure.trial import LimitContact, OomKills, SidecarUse, Trial
from membudget.report.findings import findings, load_findings
from tests.support.builders import process, snapshot, trial


def test_the_worst_contact_with_the_limit_is_said_also_where_some_were_not_counted() -> None:
    contacts = [
        LimitContact(None, 5 << 20, None, True),
        LimitContact(7, None, 90, True),
        LimitContact(9, None, 1, False),
    ]
    said = [
        finding.as_text()
        for finding in findings([replace(trial(40), at_limit=contact) for contact in contacts])
        if finding.is_grave
    ]
    assert said == ["thrashing at the limit: the kernel reclaimed memory 7 times, processes waited 90 ms for memory"]


def killed(*limits_mib: int | None, snapshot_mib: float = 40) -> Trial:
    processes = tuple(
        KilledProcess(7 + number, "python3", 60 * MIB, MIB, 0, None if limit is None else limit * MIB)
        for number, limit in enumerate(limits_mib)
    )
    seen = snapshot(process("app", rss=snapshot_mib, pss=snapshot_mib), rss=snapshot_mib)
    return replace(trial(60, oom_kills=1), oom=OomKills(processes, None), snapshot=seen)


def test_an_oom_kill_is_told_by_the_kernels_record() -> None:
    (finding,) = findings([killed(64)])
    assert finding.as_text() == (
        "the OOM killer killed python3 (pid 7, RSS 60.0 MiB and 1.0 MiB file-backed) at the limit of 64.0 MiB,"
        " according to the kernel's log"
    )


def test_a_record_that_does_not_name_the_limit_is_told_without() -> None:
    (finding,) = findings([killed(None, None)])
    assert "limit" not in finding.as_text()
    assert finding.as_text().endswith(
        "python3 (pid 8, RSS 60.0 MiB and 1.0 MiB file-backed), according to the kernel's log"
    )


def test_beside_an_oom_kill_a_look_is_told_if_it_was_near_the_peak() -> None:
    _, look = findings([killed(64, snapshot_mib=60)])
    assert look.as_text() == "at the peak (60.0 MiB): app 60.0 MiB"


def test_witnesses_of_oom_kills_that_contradict_each_other_are_told_once() -> None:
    doubts = [OomDoubt.ENGINE_SAYS_KILL, None, OomDoubt.ENGINE_SAYS_KILL, OomDoubt.SIGKILLED_AT_LIMIT]
    said = [one for one in findings([replace(trial(40), oom_doubt=doubt) for doubt in doubts]) if one.is_grave]
    assert [one.as_text().partition(",")[0] for one in said] == [
        "the engine reported an OOM kill",
        "SIGKILL ended the container at its limit",
    ]


def sidecar(rss_mib: int, kills: int) -> SidecarUse:
    return SidecarUse(
        "log`shipper",
        MetricValue.of(Metric.PEAK_RSS, rss_mib * MIB),
        MetricValue.of(Metric.PEAK_MEMORY, (rss_mib + 2) * MIB),
        MetricValue.of(Metric.OOM_KILLS, kills),
    )


def test_a_sidecar_is_shown_at_its_largest_with_all_of_its_kills() -> None:
    trials = [replace(trial(40), sidecars=(sidecar(rss, kills),)) for rss, kills in ((10, 0), (12, 1), (11, 1))]
    (finding,) = (one for one in findings(trials) if "sidecar" in one.as_text())
    assert finding.as_text() == "sidecar log`shipper: peak RSS 12.0 MiB, peak memory 14.0 MiB, 2 OOM kills"
    assert finding.as_markdown().startswith("sidecar `` log`shipper ``:")  # a name from outside, quoted
    assert finding.is_grave


def loaded(errors: int = 0, resent: int = 0, *, kills: int = 0, requests: int = 200) -> Trial:
    load = LoadResult("steady", "GET /", requests, errors, 1000, 0, 1000, 2000, 3000, 0, resent)
    oom = OomKills((), "unknown") if kills else None
    return replace(trial(40, oom_kills=kills), load=(load,), oom=oom)


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([loaded(), loaded()], "200 requests, 0 errors, 200 a second, p50 1.0 ms, p95 2.0 ms, p99 3.0 ms"),
        ([loaded(), loaded(12, requests=90)], "0 to 12 errors, depending on the trial"),
        ([loaded(kills=12, resent=12)], "12 sent twice because the connection was lost"),
        ([loaded(kills=12)], "p99 3.0 ms; no request failed although processes were killed"),
    ],
)
def test_errors_of_the_load_agree_with_the_kills(trials: list[Trial], expected: str) -> None:
    (said,) = load_findings(trials)
    assert expected in said.as_text()
    assert ("killed" in said.as_text()) == ("killed" in expected)


def test_a_killed_process_above_its_limit_says_which_pages_do_not_count() -> None:
    """Page cache is charged to the cgroup that reads a page first."""
    shared = "file-backed pages that another container read first do not count towards this limit"
    for file_mib, is_above in ((4, True), (0, False)):
        killed = KilledProcess(7, "perl", round(63.5 * MIB), file_mib * MIB, 0, 64 * MIB)
        (finding,) = (
            one for one in findings([replace(trial(63), oom=OomKills((killed,), None))]) if "perl" in one.as_text()
        )
        assert (shared in finding.as_text()) is is_above
