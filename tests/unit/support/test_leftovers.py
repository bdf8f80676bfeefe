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


@pytest.mark.parametrize(
    ("own", "given", "beside_container", "expected"),
    [
        ("/tmp/mb2-a/tmp", "/tmp/mb2-b/tmp", "", True),
        ("/tmp/mb2-a/tmp", "", "", True),
        ("/tmp/mb2-a/tmp", "/tmp/mb2-a/tmp/pytest-0/mounted", "", False),
        ("", "/tmp/mb2-b/tmp", "", True),
        ("", "", "", False),
        ("", "", "/tmp/mb2-b/exec/containerd/containerd.sock", True),
        ("/tmp/mb2-a/tmp", "", "/tmp/mb2-a/exec/containerd/containerd.sock", False),
    ],
    ids=[
        "another engine's",
        "the first engine's",
        "below our folder",
        "a second engine's",
        "ours",
        "in a container of a second engine",
        "in a container of ours",
    ],
)
def test_a_helper_may_be_of_tests_on_another_engine(
    own: str, given: str, beside_container: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ancestors = [[b"containerd-shim-runc-v2", b"-address", beside_container.encode()], [b"/sbin/init"]]
    monkeypatch.setenv("TMPDIR", own)
    (tmp_path / "environ").write_bytes(f"PATH=/bin\0TMPDIR={given}\0".encode())
    monkeypatch.setenv(TESTS_BESIDE, "1")
    assert leftovers._is_of_tests_beside(tmp_path, ancestors) is expected
    monkeypatch.setenv(TESTS_BESIDE, "")
    assert not leftovers._is_of_tests_beside(tmp_path, ancestors)
