"""Where the tool of the cgroup v2 machine is looked for, and what becomes of its tests where it is not."""

import os
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


@pytest.mark.thorough
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


def test_its_tests_are_left_out_where_the_tool_is_missing_or_somebody_wants_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMBUDGET_WITHOUT_CGROUP2_VM", raising=False)
    monkeypatch.setenv("MEMBUDGET_CGROUP2_VM", str(tmp_path / "tool"))
    assert (cgroup2_vm.why_left_out() or "").startswith("its tool is missing (")
    (tmp_path / "tool").touch()
    assert cgroup2_vm.why_left_out() is None
    monkeypatch.setenv("MEMBUDGET_WITHOUT_CGROUP2_VM", "1")
    assert cgroup2_vm.why_left_out() == "MEMBUDGET_WITHOUT_CGROUP2_VM=1"


@pytest.mark.thorough
def test_ci_lets_no_test_be_skipped(clone: Path) -> None:
    programs = clone.parent / "programs"
    programs.mkdir()
    make = programs / "make"
    make.write_text('#!/bin/sh\necho "$1 all=$MEMBUDGET_TEST_ALL"\n')
    make.chmod(0o755)
    path = os.pathsep.join([str(programs), "/usr/bin", "/bin"])
    done = subprocess.run(
        ["bash", str(clone / ".ci/run")], env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "lint all=1\ntest all=1\ntest-documentation all=1\ntest-cgroup2 all=1\ntest-release all=1\n"
