"""Nothing stays behind, whatever happens: everything is listed before and after."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.engine.cgroups import memory_root, run_name
from membudget.engine.connection import Engine
from membudget.engine.run_id import own_run_id
from tests.support.awaited import PATIENCE_S, program_runs, running_trials, until
from tests.support.leftovers import leftovers, since
from tests.support.membudget_process import finish, run, start
from tests.support.prepared_images import PreparedImages
from tests.support.private_engine import PrivateEngine
from tests.support.repository import Repository

BUDGETS = """\
version = 1
[images.api]
limit = "64MiB"
trials = 1
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_while_a_trial_runs(
    clean: None, engine: Engine, repository: Repository, images: PreparedImages, number: signal.Signals
) -> None:
    dockerfile = f'FROM {images.truth}\nCMD ["20", "0", "600000", "1", "0"]\n'
    repository.commit("First", {"budgets.toml": BUDGETS + 'timeout = "10m"', "Dockerfile": dockerfile})
    repository.commit("Second", {"Dockerfile": dockerfile + "LABEL second=1\n"})
    process = start("check", folder=repository.folder)
    until(lambda: bool(running_trials(engine, process.pid)), "a running trial")

    os.killpg(process.pid, number)
    process.send_signal(number)  # an impatient second one changes nothing
    done = finish(process, PATIENCE_S)

    assert done.exit_code == 130, done.stderr
    assert "membudget: error: interrupted" in done.stderr
    assert "clean-up is incomplete" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signal_while_two_trials_run_side_by_side(
    clean: None, engine: Engine, repository: Repository, images: PreparedImages
) -> None:
    image = '[images.%s]\nlimit = "64MiB"\ntimeout = "10m"\ncontainer = { cpus = 1 }\n'
    dockerfile = f'FROM {images.truth}\nCMD ["20", "0", "600000", "1", "0"]\n'
    budgets = "version = 1\n" + "".join(image % name for name in ("api", "web", "jobs"))
    repository.commit("First", {"budgets.toml": budgets, "Dockerfile": dockerfile})
    process = start("check", "--jobs", "2", folder=repository.folder)
    until(lambda: len(running_trials(engine, process.pid)) == 2, "two running trials")

    process.terminate()
    done = finish(process, PATIENCE_S)

    assert done.exit_code == 130, done.stderr
    assert "membudget: error: interrupted" in done.stderr
    assert "clean-up is incomplete" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signal_while_an_image_is_built(clean: None, repository: Repository, images: PreparedImages) -> None:
    seconds = 86_400 + os.getpid()  # a command line that is nobody else's
    dockerfile = f"FROM {images.service}\nRUN echo build has begun && sleep {seconds}\n"
    repository.commit("First", {"budgets.toml": BUDGETS, "Dockerfile": dockerfile})
    process = start("check", folder=repository.folder, environ={"GITHUB_ACTIONS": "true"})
    until(lambda: program_runs(f"sleep {seconds}"), "the build's step")

    process.terminate()
    done = finish(process, PATIENCE_S)

    assert done.exit_code == 130, done.stderr
    until(lambda: not program_runs(f"sleep {seconds}"), "the end of the build's step")


def test_a_failed_build_beside_a_good_one(clean: None, repository: Repository, images: PreparedImages) -> None:
    files = {
        "budgets.toml": BUDGETS + '[images.web]\nlimit = "64MiB"\nbuild.dockerfile = "web.Dockerfile"\n',
        "Dockerfile": f"FROM {images.service}\nRUN exit 9\n",
        "web.Dockerfile": f"FROM {images.truth}\nLABEL some=thing\n",
    }
    repository.commit("First", files)

    done = run("check", folder=repository.folder)

    assert done.exit_code == 3, done.stderr
    assert "build failed" in done.stdout


def test_a_failed_workload(clean: None, repository: Repository, images: PreparedImages) -> None:
    dockerfile = f'FROM {images.service}\nVOLUME /data\nCMD ["sh", "-c", "exit 9"]\n'
    repository.commit("First", {"budgets.toml": BUDGETS, "Dockerfile": dockerfile})

    done = run("check", folder=repository.folder)

    assert done.exit_code == 3, done.stderr
    assert "workload failed" in done.stdout


def test_what_a_run_killed_while_it_measured_left_is_reaped_by_the_next(
    clean: None, engine: Engine, repository: Repository, images: PreparedImages
) -> None:
    dockerfile = f'FROM {images.truth}\nCMD ["20", "0", "600000", "1", "0"]\n'
    repository.commit("First", {"budgets.toml": BUDGETS + 'timeout = "10m"', "Dockerfile": dockerfile})
    before = leftovers(engine, repository.folder)
    process = start("check", folder=repository.folder)
    until(lambda: bool(running_trials(engine, process.pid)), "a running trial")

    process.kill()  # nothing can be done about that
    finish(process)
    # And a cgroup, unless a test on another engine of this machine has just run membudget, which reaped it.
    assert since(before, engine, repository.folder).keys() >= {"containers", "images", "temporary"}

    done = run("measure", "--trials", "1", images.truth)
    assert done.exit_code == 0, done.stderr
    quick = f'FROM {images.truth}\nCMD ["20", "0", "100", "1", "0"]\n'
    repository.commit("Second", {"Dockerfile": quick})
    done = run("check", "--no-base", folder=repository.folder)
    assert done.exit_code == 0, done.stderr


def test_what_a_run_killed_while_it_built_left_is_reaped_by_the_next(
    clean: None, engine: Engine, repository: Repository, images: PreparedImages
) -> None:
    seconds = 86_400 + os.getpid()  # a command line that is nobody else's
    slow = f"FROM {images.service}\nRUN sleep {seconds}\n"
    repository.commit("First", {"budgets.toml": BUDGETS, "Dockerfile": slow})
    before = leftovers(engine, repository.folder)
    process = start("check", folder=repository.folder)
    until(lambda: program_runs(f"sleep {seconds}"), "the build's step")

    process.kill()
    finish(process)
    assert since(before, engine, repository.folder).keys() >= {"worktrees", "temporary"}
    until(lambda: not program_runs(f"sleep {seconds}"), "the end of the build, whose client dies with us")

    quick = f'FROM {images.truth}\nCMD ["20", "0", "100", "1", "0"]\n'
    repository.commit("Second", {"Dockerfile": quick})
    done = run("check", "--no-base", folder=repository.folder)
    assert done.exit_code == 0, done.stderr


def test_what_only_carries_our_label_is_left_alone(clean: None, engine: Engine, images: PreparedImages) -> None:
    """Containers inherit their image's labels, and anybody can write those."""
    label = "00000000x1x1x00000000x1x0000"
    named = ["--name", "somebody-elses", "--label", f"membudget={label}"]
    subprocess.run(["docker", "create", *named, images.truth], check=True, stdout=subprocess.DEVNULL)
    try:
        assert run("measure", "--trials", "1", images.truth).exit_code == 0
        listed = engine.client.api.containers(all=True, filters={"name": "somebody-elses"})
        assert len(listed) == 1
    finally:
        subprocess.run(["docker", "rm", "somebody-elses"], check=True, stdout=subprocess.DEVNULL)


def test_worktrees_of_the_user_stay_also_when_they_cannot_be_seen(
    repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    dockerfile = f'FROM {images.truth}\nCMD ["20", "0", "100", "1", "0"]\n'
    repository.commit("First", {"budgets.toml": BUDGETS, "Dockerfile": dockerfile})
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "theirs"))
    (tmp_path / "theirs").rename(tmp_path / "unmounted")

    done = run("check", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    (tmp_path / "unmounted").rename(tmp_path / "theirs")
    assert Repository(tmp_path / "theirs").git("log", "-1", "--format=%s") == "First"


def test_a_run_that_works_is_not_reaped_by_another(
    clean: None, engine: Engine, repository: Repository, images: PreparedImages
) -> None:
    first = start("measure", "--json", "--trials", "1", images.truth, "--", "20", "0", "3000", "1", "0")
    until(lambda: bool(running_trials(engine, first.pid)), "a running trial")

    second = run("measure", "--json", "--trials", "1", images.truth, "--", "20", "0", "50", "1", "0")

    assert second.exit_code == 0, second.stderr
    assert finish(first).exit_code == 0


@pytest.fixture
def cgroup_of_an_unseen_run(engine: Engine) -> Iterator[None]:
    """What a run in a container leaves when it is killed: only an engine can say whether anybody works on it."""
    own = own_run_id()
    unseen = replace(own, owner=replace(own.owner, pid=1, start_ticks=1, pid_namespace="0" * 8))
    folder = Path(memory_root(engine.info.cgroup_version)) / run_name(unseen, engine.info.cgroup_driver)
    folder.mkdir()
    yield
    folder.rmdir()


def test_an_engine_that_is_killed(
    private_engine: PrivateEngine, images: PreparedImages, cgroup_of_an_unseen_run: None
) -> None:
    connected = private_engine.connect()
    before = leftovers(connected)
    arguments = ("measure", "--timeout", "10m", images.truth, "--", "20", "0", "600000", "1", "0")
    process = start(*arguments, environ={"DOCKER_HOST": private_engine.address})
    until(lambda: bool(running_trials(connected)), "a running trial")
    connected.close()

    private_engine.kill()
    done = finish(process, PATIENCE_S)

    assert done.exit_code == 3
    assert "Traceback" not in done.stderr
    assert "engine" in done.stderr

    connected = private_engine.start()
    assert "cgroups" not in since(before, connected), "removed though the engine was gone"
    again = run("measure", "--json", "--trials", "1", images.truth, environ={"DOCKER_HOST": private_engine.address})
    assert again.exit_code == 0, again.stderr
    assert since(before, connected) == {}
    connected.close()
