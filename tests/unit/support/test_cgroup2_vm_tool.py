"""Where the tool of the cgroup v2 machine is looked for, and what .ci/run says where it is not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import cgroup2_vm
from tests.support.repository import Repository

TOP = Path(__file__).parents[3]


@pytest.fixture
def original(tmp_path: Path) -> Repository:
    """The checkout that others are cloned from, with what .ci/run needs."""
    repository = Repository.new(tmp_path / "work/main")
    files = {name: (TOP / name).read_text() for name in (".ci/run", "tools/cgroup2_vm.py", "tools/debian.py")}
    repository.commit("All", files)
    return repository


@pytest.fixture
def clone(original: Repository, tmp_path: Path) -> Path:
    """A clean clone somewhere else."""
    folder = tmp_path / "elsewhere/deep/clone"
    original.git("clone", "--quiet", str(original.folder), str(folder))
    return folder


def tool_beside(checkout: Path) -> Path:
    tool = checkout.parent / "shared/cgroup2-vm/cgroup2-vm"
    tool.parent.mkdir(parents=True)
    tool.touch()
    return tool


def test_the_tool_is_found_beside_the_checkout_and_beside_what_it_was_cloned_from(
    original: Repository, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMBUDGET_CGROUP2_VM", raising=False)
    monkeypatch.setattr(cgroup2_vm, "_TOP", clone)
    with pytest.raises(cgroup2_vm.Unavailable, match="shared/cgroup2-vm/cgroup2-vm\\): set MEMBUDGET_CGROUP2_VM to it"):
        cgroup2_vm.find()
    there = tool_beside(original.folder)
    assert cgroup2_vm.find() == there
    here = tool_beside(clone)
    assert cgroup2_vm.find() == here


def test_a_tool_that_is_named_is_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBUDGET_CGROUP2_VM", str(tmp_path / "tool"))
    with pytest.raises(cgroup2_vm.Unavailable):
        cgroup2_vm.find()
    (tmp_path / "tool").touch()
    assert cgroup2_vm.find() == tmp_path / "tool"


def ci_run(clone: Path) -> subprocess.CompletedProcess[str]:
    """.ci/run, with a make that tells what it was started with."""
    programs = clone.parent / "programs"
    programs.mkdir(exist_ok=True)
    make = programs / "make"
    make.write_text('#!/bin/sh\necho "$1 all=$MEMBUDGET_TEST_ALL without=$MEMBUDGET_WITHOUT_CGROUP2_VM"\n')
    make.chmod(0o755)
    python = shutil.which("python3")
    assert python is not None
    path = os.pathsep.join([str(programs), str(Path(python).parent), "/usr/bin", "/bin"])
    command = ["bash", str(clone / ".ci/run")]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=True)


def test_ci_runs_every_test_and_says_at_both_ends_what_it_leaves_out(original: Repository, clone: Path) -> None:
    without = ci_run(clone)
    assert without.stdout == "lint all=1 without=1\ntest all=1 without=1\n"
    first, last = without.stderr.splitlines()
    assert first == last
    assert first.startswith("==> NOT TESTED: cgroup v2, for which an emulated machine is used: its tool is missing (")

    tool_beside(original.folder)
    complete = ci_run(clone)
    assert complete.stdout == "lint all=1 without=\ntest all=1 without=\n"
    assert complete.stderr == ""
