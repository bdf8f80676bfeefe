"""How a trial's reason is put together, and that secrets are taken out of all that a container said or was called."""

from dataclasses import replace

import pytest

from membudget.budgets.workload import CommandWorkload
from membudget.core.metrics import Metric, MetricValue
from membudget.measure.outcome import one_line, outcome_of, with_trouble, without_secrets
from membudget.measure.probe.process_use import Clues, MapClues, ProcessUse, Snapshot
from membudget.measure.trial import Outcome, TrialSpec, WorkloadResult
from tests.support.builders import trial

PROCESS = ProcessUse(1, "hunter2", ("app", "--token=hunter2"), 1, 1, 0, 1)
SNAPSHOT = Snapshot(0, 1, 1, 1, 1, 1, 1, 0, (PROCESS,), {}, 0, (), None)


def test_they_are_hidden_wherever_they_are() -> None:
    told = replace(trial(40), reason="said hunter2", log_tail=("hunter2", "a hunter22 b"), snapshot=SNAPSHOT)

    hidden = without_secrets(told, ("hunter2", "hunter22", ""))

    assert "hunter2" not in repr(hidden)
    assert hidden.log_tail == ("***", "a *** b")
    assert hidden.snapshot is not None
    assert hidden.snapshot.processes[0].arguments == ("app", "--token=***")


def test_they_are_hidden_in_what_tells_a_runtime() -> None:
    known = MapClues(1, ("/opt/hunter2/libjvm.so",))
    clues = Clues("/opt/hunter2/java", settings=("-Xmx:hunter2",), variables={"GOMEMLIMIT": "hunter2"}, map=known)
    told = replace(trial(40), snapshot=replace(SNAPSHOT, processes=(replace(PROCESS, clues=clues),)))
    assert "hunter2" not in repr(without_secrets(told, ("hunter2",)))


def test_without_secrets_nothing_changes() -> None:
    told = replace(trial(40), log_tail=("anything",))
    assert without_secrets(told, ()) == told


@pytest.mark.thorough
def test_a_reason_is_cut_when_secrets_are_out_of_it() -> None:
    told = replace(trial(40), reason="x" * 195 + "hunter2" + "y" * 500_000)
    assert without_secrets(told, ("hunter2",)).reason == "x" * 195 + "***y…"


KEY = "-----BEGIN KEY-----\nhunter2hunter2\n}\nhunter3hunter3\n-----END KEY-----\n"


def test_a_secret_of_several_lines_is_hidden_line_by_line() -> None:
    told = replace(trial(40), log_tail=("key: hunter2hunter2", "}", "  hunter3hunter3", "done }"))
    assert without_secrets(told, (KEY,)).log_tail == ("key: ***", "}", "  ***", "done }")


def test_output_is_told_on_one_line_with_its_secrets_hidden() -> None:
    assert one_line(f"the key is\n{KEY}\n and no other", (KEY,)) == "the key is *** and no other"
    assert one_line("all\twell\n", ()) == "all well"


def test_half_of_a_secret_where_output_was_cut_is_hidden() -> None:
    secret = "".join(chr(ord("a") + number % 26) * 2 for number in range(60))
    printed = f"{secret} {secret} {secret}"
    for cut in range(len(secret) * 2 + 2 + 4, len(printed)):
        assert one_line(printed[:cut], (secret,)) == "*** *** ***", cut
    assert one_line(secret[:100], (secret,)) == "***", "it is longer than what the engine keeps"
    assert one_line(f"it is {KEY[:45]}", (KEY,)) == "it is *** *** } ***", "in its last line"
    assert one_line("hält \ufffd", ("hält x",)) == "***"
    assert one_line("it is not aa", (secret,)) == "it is not aa", "that may be chance"


NO_KILL = MetricValue.of(Metric.OOM_KILLS, 0)


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
