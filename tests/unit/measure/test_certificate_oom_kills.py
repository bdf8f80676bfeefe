"""How many OOM kills there were: exact only when nothing can be missing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import MIB
from membudget.engine.cgroups import CgroupVersion
from membudget.measure.certificate import EngineWord, OomDoubt, count_oom_kills
from membudget.measure.probe.messages import KernelLog, KilledProcess, ProbeReport, Reading, Series

GONE = Reading(None, "gone")
REPORT = ProbeReport(Series(), (), None, Reading(40 * MIB), Reading(0), Reading(0), GONE, GONE, GONE, GONE)
KILLED = KilledProcess(7, "python3", MIB, 0, 0)
OTHER = replace(KILLED, pid=8)
WHOLE = KernelLog()
LOST = KernelLog(reason="it has a gap", is_whole=False)


def report(counted: int | None, log: KernelLog = WHOLE, *, final: bool = False) -> ProbeReport:
    return replace(
        REPORT, oom_kills=GONE if counted is None else Reading(counted), kernel_log=log, count_is_final=final
    )


def word(*, killed: bool = False, exit_code: int | None = 0, limit_mib: int = 64) -> EngineWord:
    return EngineWord(killed, 1, 2, limit_mib * MIB, exit_code)


EXACT, AT_LEAST = False, True


@pytest.mark.parametrize(
    ("seen", "version", "expected"),
    [
        # v2: the trial's own cgroup outlives the container, and has the last word
        (report(2, KernelLog((KILLED,), 1)), 2, (2, EXACT)),
        (report(3, KernelLog((KILLED, OTHER), 3)), 2, (2, EXACT)),  # memory.oom.group counts one twice
        (report(0, LOST), 2, (0, EXACT)),
        (report(None), 2, (None, EXACT)),
        # v1: counted when the last phase had ended
        (report(0, LOST, final=True), 1, (0, EXACT)),
        (report(2, LOST, final=True), 1, (2, EXACT)),
        # v1: the container ended after the last count, and the log covers the rest
        (report(0), 1, (0, EXACT)),
        (report(0, KernelLog((KILLED,), 1, late=1)), 1, (1, EXACT)),
        (report(1, KernelLog((KILLED,), 1)), 1, (1, EXACT)),
        (report(None, KernelLog((KILLED,), 1, late=1)), 1, (1, EXACT)),
        (report(None), 1, (0, EXACT)),
        (report(1, KernelLog(reason="a gap before the count", is_whole=True)), 1, (1, EXACT)),
        # v1: the log does not cover the rest
        (report(0, LOST), 1, (None, EXACT)),
        (report(None, LOST), 1, (None, EXACT)),
        (report(0, KernelLog(doubtful=1)), 1, (None, EXACT)),
        (report(1, KernelLog((KILLED,), 1, doubtful=1)), 1, (1, AT_LEAST)),
        (report(2, LOST), 1, (2, AT_LEAST)),
        (report(None, replace(LOST, killed=(KILLED,), messages=1, late=1)), 1, (1, AT_LEAST)),
        (report(1, KernelLog((KILLED,), 1, "a gap before the count", late=1)), 1, (1, AT_LEAST)),
    ],
)
def test_a_count_is_exact_when_nothing_can_be_missing(
    seen: ProbeReport, version: CgroupVersion, expected: tuple[int | None, bool]
) -> None:
    count = count_oom_kills(seen, version)
    assert (count.value.value, count.value.is_lower_bound) == expected
    assert (count.value.value is None) == (count.value.reason is not None)
    assert count.doubt is None


@pytest.mark.parametrize(
    ("seen", "told", "expected"),
    [
        (report(0, final=True), word(killed=True), (1, AT_LEAST, OomDoubt.ENGINE_SAYS_KILL)),
        (report(0, LOST), word(killed=True), (1, AT_LEAST, None)),  # no contradiction: the count was not final
        (report(2, final=True), word(killed=True), (2, EXACT, None)),
        (report(1, final=True), word(killed=False), (1, EXACT, None)),
        (report(0, final=True), word(exit_code=137), (0, EXACT, None)),  # it never came near its limit
        (report(0, final=True), word(exit_code=None), (0, EXACT, None)),  # we ended it
    ],
)
def test_the_engine_is_heard_as_well(
    seen: ProbeReport, told: EngineWord, expected: tuple[int | None, bool, OomDoubt | None]
) -> None:
    count = count_oom_kills(seen, 1, told)
    assert (count.value.value, count.value.is_lower_bound, count.doubt) == expected


@pytest.mark.parametrize("at_limit", [{"limit_hits": Reading(9)}, {"kernel_peak": Reading(64 * MIB)}])
@pytest.mark.parametrize("version", [1, 2])
def test_a_container_that_was_killed_at_its_limit_was_perhaps_oom_killed(
    at_limit: dict[str, Reading], version: CgroupVersion
) -> None:
    seen = replace(report(0, final=True), **at_limit)  # type: ignore[arg-type]
    count = count_oom_kills(seen, version, word(exit_code=137))
    assert (count.value.value, count.doubt) == (None, OomDoubt.SIGKILLED_AT_LIMIT)
    assert count_oom_kills(seen, version, word(exit_code=None)).value.value == 0, "that SIGKILL was ours"
    assert count_oom_kills(seen, version, word(exit_code=1)).value.value == 0


LOGS = st.builds(
    KernelLog,
    killed=st.sampled_from([(), (KILLED,), (KILLED, OTHER)]),
    messages=st.integers(0, 3),
    reason=st.sampled_from([None, "a gap"]),
    late=st.integers(0, 2),
    doubtful=st.integers(0, 2),
    is_whole=st.booleans(),
)


@given(st.none() | st.integers(0, 3), LOGS, st.booleans(), st.booleans(), st.sampled_from([None, 0, 137]))
def test_no_witness_of_a_kill_is_ever_outvoted(
    counted: int | None, log: KernelLog, final: bool, killed: bool, exit_code: int | None
) -> None:
    value = count_oom_kills(report(counted, log, final=final), 1, word(killed=killed, exit_code=exit_code)).value
    if counted or log.killed or killed:
        assert value.value
    if value.value == 0:
        assert final or (log.is_whole and not log.doubtful)
