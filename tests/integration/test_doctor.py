"""`membudget doctor` on a real engine: what it knows it measures, and it leaves nothing."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from membudget.core.errors import DoctorCheck
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.vantage import vantage_on
from tests.support.awaited import running_trials, until
from tests.support.leftovers import nothing_stays
from tests.support.membudget_process import Finished, finish, run, start
from tests.support.missing import skip_for_want_of
from tests.support.private_engine import PrivateEngine
from tests.support.repository import Repository

EXACT_BYTES = MIB // 2
NEEDS_NO_ENGINE = ("buildx", "disk", "git", "base")


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """A repository with a base to compare with."""
    repository = Repository.new(tmp_path / "shop")
    repository.commit("Begin", {"Dockerfile": "FROM scratch\n"})
    repository.branch("more")
    repository.commit("More", {"more": "1"})
    return repository


def checks(done: Finished) -> dict[str, Any]:
    return {check["check"]: check for check in done.json["checks"]}


def figures(done: Finished) -> dict[str, Any]:
    return {figure["what"]: figure for figure in checks(done)["self-test"]["figures"]}


@pytest.mark.parametrize("place", ["host", "container"])
def test_the_self_test_measures_what_is_known(engine: Engine, request: pytest.FixtureRequest, place: str) -> None:
    if place == "container":
        request.getfixturevalue("helper_image")
    elif not vantage_on(engine).acts_alone:
        skip_for_want_of("this process does not see the engine's cgroups, or is not root")

    with nothing_stays(engine):
        done = run("doctor", "--json", "--probe", place, "--only", "probe", "--only", "self-test")

    assert done.exit_code == 0, done.stdout + done.stderr
    assert place in checks(done)["probe"]["seen"]
    held, spike, kills = figures(done).values()
    assert held["known"] == 64 * MIB
    assert abs(held["measured"] - held["known"]) <= EXACT_BYTES
    assert held["measured"] <= held["kernel_peak_bytes"] <= held["known"] + 8 * MIB  # the runtime's start included
    if checks(done)["self-test"]["state"] == "ok":
        assert 0.9 * spike["known"] <= spike["measured"] <= spike["known"] + EXACT_BYTES
    else:  # on a busy machine the spike may be missed, and is said to be
        assert checks(done)["self-test"]["state"] == "warning"
        assert spike["measured"] < 0.9 * spike["known"]
    assert spike["kernel_peak_bytes"] >= spike["known"]
    assert (kills["known"], kills["measured"]) == (1, 1)


def test_by_the_engines_statistics_the_spike_is_missed_and_said_to_be(engine: Engine) -> None:
    with nothing_stays(engine):
        done = run("doctor", "--json", "--probe", "engine", "--only", "probe", "--only", "self-test")

    assert done.exit_code == 0, done.stdout + done.stderr
    found = checks(done)
    assert found["probe"]["state"] == found["self-test"]["state"] == "warning"
    held = figures(done)["held"]
    assert abs(held["measured"] - held["known"]) <= EXACT_BYTES
    assert "measure from the kernel's own files" in found["self-test"]["fix"]


def test_nothing_fails_where_the_tests_run(engine: Engine, helper_image: str, shop: Repository) -> None:
    with nothing_stays(engine, shop.folder):
        done = run("doctor", folder=shop.folder)

    assert done.exit_code == 0, done.stdout + done.stderr
    *lines, empty, count = done.stdout.splitlines()
    assert [line.split()[1] for line in lines] == [check.value for check in DoctorCheck]
    assert (empty, "failed" in count) == ("", False)
    told = {line.split()[1]: line for line in lines}
    seen = r"held 64\.0 MiB: measured 6[34]\.\d MiB; a spike of 96\.0 MiB for 50 ms: measured \d+\.\d MiB"
    assert re.search(seen, told["self-test"]), told["self-test"]
    assert "the merge base is" in told["base"]


def test_a_dead_engine_is_told_in_a_line_and_the_rest_all_the_same(shop: Repository) -> None:
    done = run("doctor", folder=shop.folder, environ={"DOCKER_HOST": "unix:///nowhere/docker.sock"})

    assert done.exit_code == 3
    assert done.stderr == ""
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line[:1] in "✓!✗-" and line}
    assert lines.keys() == {check.value for check in DoctorCheck}
    assert lines["engine"].startswith("✗ engine        failed   no container engine answers at unix:///nowhere/")
    assert "(fix: start Docker" in lines["engine"]
    for name in NEEDS_NO_ENGINE:
        assert lines[name].startswith("✓ "), lines[name]


def test_a_failure_of_the_environment_names_the_check(shop: Repository) -> None:
    shop.commit("Budget", {"budgets.toml": 'version = 1\n[images.shop]\nlimit = "64MiB"\n'})

    done = run("check", "--no-base", folder=shop.folder, environ={"DOCKER_HOST": "unix:///nowhere/docker.sock"})

    assert done.exit_code == 3
    assert "(membudget doctor --only engine)" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_interrupted_self_test_leaves_nothing(engine: Engine, number: signal.Signals) -> None:
    with nothing_stays(engine):
        process = start("doctor", "--only", "self-test")
        until(lambda: bool(running_trials(engine, process.pid)), "a running trial")
        process.send_signal(number)
        done = finish(process)

    assert done.exit_code == 130, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_that_dies_fails_its_checks_and_no_other(private_engine: PrivateEngine, shop: Repository) -> None:
    process = start("doctor", "--json", folder=shop.folder, environ={"DOCKER_HOST": private_engine.address})
    second = private_engine.connect()
    until(lambda: bool(running_trials(second, process.pid)), "a running trial")
    private_engine.kill()
    done = finish(process)
    second.close()
    private_engine.start().close()  # what the dead one could not remove, a next run does
    again = run("doctor", "--only", "self-test", environ={"DOCKER_HOST": private_engine.address})

    found = checks(done)
    assert done.exit_code == 3
    assert found["engine"]["state"] == "ok"  # it was alive then
    assert found["self-test"]["state"] == "failed"
    assert found["git"]["state"] == found["base"]["state"] == "ok"
    assert again.exit_code == 0, again.stdout + again.stderr
