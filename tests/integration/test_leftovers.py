"""The look for leftovers finds what a test left, clears it away for the next test, and lets others work."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine_sweep
from membudget.engine.connection import Engine
from tests.support.awaited import running_trials, until
from tests.support.leftovers import Listed, leftovers, nothing_stays, remove, since
from tests.support.membudget_process import finish, start
from tests.support.prepared_images import PreparedImages
from tests.support.private_engine import PrivateEngine
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[images.api]\nlimit = "64MiB"\ntimeout = "10m"\n'
_TRIES = 5
"""membudget on another engine of this machine may remove the cgroups of a dead run before we look."""
LONG = ("20", "0", "600000", "1", "0")


@pytest.fixture
def listed(engine: Engine, repository: Repository, images: PreparedImages) -> Listed:
    """What was there before the test, and is not there any more when a look was taken."""
    dockerfile = f"FROM {images.truth}\nCMD {list(LONG)}\n".replace("'", '"')
    repository.commit("First", {"budgets.toml": BUDGETS, "Dockerfile": dockerfile})
    return leftovers(engine, repository.folder)


def leave_everything(engine: Engine, repository: Repository) -> None:
    """Kill a check that measures."""
    process = start("check", "--no-base", folder=repository.folder)
    until(lambda: bool(running_trials(engine, process.pid)), "a running trial")
    process.kill()
    finish(process)


def test_what_a_test_leaves_fails_it_and_is_gone_for_the_next(
    listed: Listed, engine: Engine, repository: Repository
) -> None:
    kinds = {"containers", "images", "cgroups", "temporary", "worktrees"}
    for _ in range(_TRIES):
        with pytest.raises(AssertionError) as failed, nothing_stays(engine, repository.folder):
            leave_everything(engine, repository)
        missed = {kind for kind in kinds if repr(kind) not in str(failed.value)}
        if missed != {"cgroups"}:
            break
    assert missed == set()
    assert since(listed, engine, repository.folder) == {}


def test_what_a_killed_run_left_on_a_private_engine_is_swept(
    private_engine: PrivateEngine, images: PreparedImages
) -> None:
    engine = private_engine.connect()
    api = engine.client.api
    try:
        container = engine.client.containers.create(images.truth, list(LONG), name="left", volumes=["/kept"])
        engine.client.volumes.create("left")
        engine.client.networks.create("left")
        container.start()
        assert len(api.volumes()["Volumes"]) == 2
        engine_sweep.sweep(Path(private_engine.address.removeprefix("unix://")))
        assert api.containers(all=True) == []
        assert not api.volumes()["Volumes"]
        assert {one["Name"] for one in api.networks()} == {"bridge", "host", "none"}
        assert api.images(images.truth), "images are a cache"
    finally:
        engine.close()


class OfTheTest(Exception):
    """What a test fails with."""


def test_what_a_failed_test_leaves_is_gone_for_the_next(listed: Listed, engine: Engine, repository: Repository) -> None:
    def failing() -> None:
        with nothing_stays(engine, repository.folder):
            leave_everything(engine, repository)
            raise OfTheTest

    with pytest.raises(OfTheTest):
        failing()
    assert since(listed, engine, repository.folder) == {}


def test_membudget_that_still_works_when_its_test_fails_is_ended(
    listed: Listed, engine: Engine, repository: Repository
) -> None:
    begun = []

    def failing() -> None:
        with nothing_stays(engine, repository.folder):
            process = start("check", "--no-base", folder=repository.folder)
            begun.append(process)
            until(lambda: bool(running_trials(engine, process.pid)), "a running trial")
            raise OfTheTest

    with pytest.raises(OfTheTest):
        failing()
    assert [process.returncode for process in begun] == [130], "it cleaned up"
    assert since(listed, engine, repository.folder) == {}


def test_what_goes_away_meanwhile_fails_nobody(listed: Listed, engine: Engine, repository: Repository) -> None:
    leave_everything(engine, repository)
    there = since(listed, engine, repository.folder)
    with nothing_stays(engine, repository.folder):
        remove(engine, there, repository.folder)
    assert since(listed, engine, repository.folder) == {}


@pytest.fixture
def another(engine: Engine, images: PreparedImages, tmp_path: Path) -> Iterator[int]:
    """The pid of a membudget that measures, and that nobody here started."""
    told = tmp_path / "pid"
    measure = f"{sys.executable} -m membudget measure --timeout 10m --trials 1 {images.truth} -- {' '.join(LONG)}"
    script = f"{measure} >/dev/null 2>&1 & echo $! > {told}.new && mv {told}.new {told}"
    subprocess.run(["sh", "-c", script], check=True, start_new_session=True)
    pid = int(told.read_text())
    yield pid
    os.kill(pid, signal.SIGTERM)
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes(), "its end")


def test_what_others_are_at_is_none_of_ours(
    listed: Listed, engine: Engine, repository: Repository, another: int
) -> None:
    until(lambda: bool(running_trials(engine, another)), "a running trial")
    assert since(listed, engine, repository.folder) == {}
    with nothing_stays(engine, repository.folder):
        pass
    assert running_trials(engine, another), "nor is it ended"
