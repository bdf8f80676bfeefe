import dataclasses
import subprocess
import sys

from membudget.engine.run_id import RunId, own_run_id, owner_lives


def test_a_run_of_this_process_lives() -> None:
    assert owner_lives(own_run_id()) is True


def test_a_pid_that_is_used_again_is_another_process() -> None:
    run = own_run_id()
    earlier = dataclasses.replace(run, owner=dataclasses.replace(run.owner, start_ticks=run.owner.start_ticks - 1))
    assert owner_lives(earlier) is False


def test_a_process_that_ended_is_dead() -> None:
    code = "from membudget.engine.run_id import own_run_id; print(own_run_id())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    run = RunId.parse(said)
    assert run is not None
    assert owner_lives(run) is False


def test_nobody_can_tell_about_another_machine_or_namespace() -> None:
    run = own_run_id()
    elsewhere = dataclasses.replace(run.owner, boot="00000000")
    inside = dataclasses.replace(run.owner, pid_namespace="00000000")
    for owner in (elsewhere, inside):
        assert owner_lives(dataclasses.replace(run, owner=owner)) is None
