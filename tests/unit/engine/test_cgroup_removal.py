import os
import signal
import subprocess
from collections.abc import Iterator
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


@pytest.mark.thorough
def test_a_cgroup_that_stays_is_said(v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup_removal, "_EMPTYING_S", 0.05)
    (v1 / "memory" / NAME / "t1/busy").touch()  # a real cgroup with a process in it answers EBUSY, not ENOTEMPTY
    with pytest.raises(CgroupsRemain, match=r"memory/.*t1"):
        remove_cgroups(v1, [NAME], "cgroupfs")


def test_without_systemd_slices_remain(v1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup_removal, "SYSTEM_BUS", v1 / "no-bus")
    with pytest.raises(CgroupsRemain, match="systemd does not answer"):
        remove_cgroups(v1, [NAME], "systemd")


def test_a_cgroup_that_vanishes_while_its_processes_are_killed_hinders_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        for name in ("gone", "busy"):
            (tmp_path / "t1" / name).mkdir(parents=True)
        (tmp_path / "t1/busy/cgroup.procs").write_text(f"{process.pid}\n")
        scandir = os.scandir

        def scan(folder: Path) -> "Iterator[os.DirEntry[str]]":
            if Path(folder).name == "gone":
                raise FileNotFoundError
            return scandir(folder)

        monkeypatch.setattr(os, "scandir", scan)
        cgroup_removal._kill_all(tmp_path)
        assert process.wait() == -signal.SIGKILL
