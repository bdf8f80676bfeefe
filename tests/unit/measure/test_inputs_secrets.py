"""Secrets are taken out of all that a container said or was called."""

from dataclasses import replace

import pytest

from membudget.measure.inputs import without_secrets
from membudget.measure.probe.process_use import ProcessUse, Snapshot
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


def test_without_secrets_nothing_changes() -> None:
    told = replace(trial(40), log_tail=("anything",))
    assert without_secrets(told, ()) == told


@pytest.mark.thorough
def test_a_reason_is_cut_when_secrets_are_out_of_it() -> None:
    told = replace(trial(40), reason="x" * 195 + "hunter2" + "y" * 500_000)
    assert without_secrets(told, ("hunter2",)).reason == "x" * 195 + "***y…"
