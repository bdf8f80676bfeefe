import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.engine.cgroups import memory_root, run_name, run_of, trial_cgroup
from membudget.engine.run_id import ProcessIdentity, RunId, own_run_id, owner_lives

HEX8 = st.text("0123456789abcdef", min_size=8, max_size=8)
RUNS = st.builds(
    RunId,
    st.builds(ProcessIdentity, HEX8, HEX8, st.integers(1, 2**22), st.integers(0, 2**48)),
    st.integers(0, 2**40),
    st.text("0123456789abcdef", min_size=4, max_size=4),
)
RUN = RunId(ProcessIdentity("0123abcd", "effffffc", 42, 777), 1_763_000_000, "beef")


@given(RUNS)
def test_an_id_survives_being_a_name(run: RunId) -> None:
    assert RunId.parse(str(run)) == run
    assert run_of(run_name(run, "systemd")) == run_of(run_name(run, "cgroupfs")) == run
    assert len(f"{run}-head") < 128, "an image tag has 128 characters at the most"


@pytest.mark.thorough
@given(st.text(max_size=80))
def test_what_others_named_is_not_ours(text: str) -> None:
    parsed = RunId.parse(text)
    assert parsed is None or str(parsed) == text


def test_no_dash_in_a_slice_but_the_one_that_nests() -> None:
    cgroup = trial_cgroup(RUN, 3, "systemd")
    top = f"membudget_{RUN}"
    assert cgroup.parent_argument == f"{top}-t3.slice"
    assert str(cgroup.path) == f"{top}.slice/{top}-t3.slice"
    assert str(cgroup.leaf("abc")) == f"{top}.slice/{top}-t3.slice/docker-abc.scope"
    assert "-" not in top


def test_the_cgroupfs_driver_nests_folders() -> None:
    cgroup = trial_cgroup(RUN, 3, "cgroupfs")
    assert cgroup.parent_argument == f"/membudget_{RUN}/t3"
    assert str(cgroup.leaf("abc")) == f"membudget_{RUN}/t3/abc"


def test_only_v1_has_a_tree_a_controller() -> None:
    assert (str(memory_root(1)), str(memory_root(2))) == ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")


def test_a_process_id_of_thirty_digits_is_none_of_ours() -> None:
    assert RunId.parse(f"{'a' * 8}x{'9' * 30}x1x{'b' * 8}x1xabcd") is None
    assert RunId.parse(f"{'a' * 8}x\u0661x1x{'b' * 8}x1xabcd") is None


def test_a_run_of_this_process_lives() -> None:
    assert owner_lives(own_run_id()) is True


def test_a_pid_that_is_used_again_is_another_process() -> None:
    run = own_run_id()
    earlier = dataclasses.replace(run, owner=dataclasses.replace(run.owner, start_ticks=run.owner.start_ticks - 1))
    assert owner_lives(earlier) is False


@pytest.mark.thorough
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
