"""Whose a cgroup or a process is that a test finds after its run."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.engine.run_id import own_run_id
from second_engine import TESTS_BESIDE
from tests.support import leftovers


def cgroup_of(**owner: object) -> str:
    """The name of a cgroup of a run with another process."""
    run = own_run_id()
    return f"membudget_{replace(run, owner=replace(run.owner, **owner))}"  # type: ignore[arg-type] # as the test says


@pytest.mark.parametrize(
    ("beside", "name", "expected"),
    [
        ("1", cgroup_of(pid=4194304), True),
        ("", cgroup_of(pid=4194304), False),
        ("1", cgroup_of(pid=4194304, pid_namespace="0badcafe"), False),
        ("1", cgroup_of(pid=os.getpid()), False),
    ],
    ids=["of nobody we started", "with no tests beside", "of a container, as under act", "ours"],
)
def test_a_cgroup_may_be_of_tests_on_another_engine(
    beside: str, name: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TESTS_BESIDE, beside)
    assert leftovers._may_be_of_tests_beside(name) is expected


def is_beside(own: str, given: str, beside_container: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What is said of a process with this TMPDIR, and with an engine's process among its ancestors."""
    monkeypatch.setenv("TMPDIR", own)
    (folder / "environ").write_bytes(f"PATH=/bin\0TMPDIR={given}\0".encode())
    ancestors = [[b"containerd-shim-runc-v2", b"-address", beside_container.encode()], [b"/sbin/init"]]
    return leftovers._is_of_tests_beside(folder, ancestors)


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        ("/tmp/mb2-a/tmp", "/tmp/mb2-b/tmp", True),
        ("/tmp/mb2-a/tmp", "", True),
        ("/tmp/mb2-a/tmp", "/tmp/mb2-a/tmp/pytest-0/mounted", False),
        ("", "/tmp/mb2-b/tmp", True),
        ("", "", False),
    ],
    ids=["another engine's", "the first engine's", "below our folder", "a second engine's", "ours"],
)
def test_a_helper_may_be_of_tests_on_another_engine(
    own: str, given: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TESTS_BESIDE, "1")
    assert is_beside(own, given, "", tmp_path, monkeypatch) is expected
    monkeypatch.setenv(TESTS_BESIDE, "")
    assert not is_beside(own, given, "", tmp_path, monkeypatch)


@pytest.mark.parametrize(("own", "expected"), [("", True), ("/tmp/mb2-a/tmp", True), ("/tmp/mb2-b/tmp", False)])
def test_a_helper_in_a_container_is_of_the_engine_that_runs_the_container(
    own: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TESTS_BESIDE, "1")
    assert is_beside(own, "", "/tmp/mb2-b/exec/containerd/containerd.sock", tmp_path, monkeypatch) is expected
