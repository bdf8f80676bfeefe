from pathlib import Path

import pytest

from membudget.engine import cgroup_removal
from membudget.engine.cgroup_removal import CgroupsRemain, our_cgroups, remove_cgroups
from tests.unit.engine.test_run_id import RUN

NAME = f"membudget_{RUN}"


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    for controller in ("memory", "pids"):
        (tmp_path / controller / NAME / "t1").mkdir(parents=True)
        (tmp_path / controller / "docker").mkdir()
    return tmp_path


def test_v1_has_our_cgroups_in_every_controller(v1: Path) -> None:
    assert our_cgroups(v1) == [NAME]
    remove_cgroups(v1, [NAME], "cgroupfs")
    assert our_cgroups(v1) == []
    assert (v1 / "memory/docker").is_dir(), "what is not ours stays"


def test_v2_has_one_tree(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / NAME / "t1").mkdir(parents=True)
    remove_cgroups(tmp_path, [NAME], "cgroupfs")
    assert our_cgroups(tmp_path) == []


def test_what_is_gone_already_is_fine(v1: Path) -> None:
    remove_cgroups(v1, ["membudget_gone"], "cgroupfs")
    assert our_cgroups(v1) == [NAME]


def test_a_cgroup_that_stays_is_said(v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup_removal, "_EMPTYING_S", 0.05)
    (v1 / "memory" / NAME / "t1/busy").touch()  # a real cgroup with a process in it answers EBUSY, not ENOTEMPTY
    with pytest.raises(CgroupsRemain, match=r"memory/.*t1"):
        remove_cgroups(v1, [NAME], "cgroupfs")


def test_without_systemd_slices_remain(v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup_removal, "SYSTEM_BUS", v1 / "no-bus")
    with pytest.raises(CgroupsRemain, match="systemd does not answer"):
        remove_cgroups(v1, [NAME], "systemd")
