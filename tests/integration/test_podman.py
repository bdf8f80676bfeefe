"""Podman's Docker-compatible socket: what works with Docker works there, and nothing stays either."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import podman
from membudget.budgets.workload import ExecWorkload, HttpWorkload, Workload
from membudget.budgets.workload_parts import HttpRequests, Readiness
from membudget.build.docker_images import inspect
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.engine.cgroup_removal import our_cgroups
from membudget.engine.cgroups import run_of
from membudget.engine.cleanup import TRIAL_IMAGES
from membudget.engine.connection import Engine, connect
from membudget.engine.run_id import own_run_id
from membudget.engine.vantage import vantage_on
from membudget.measure.equipment import MeasuringOptions, measuring
from membudget.measure.trial import Outcome, TrialSpec
from membudget.version import VERSION
from tests.support.awaited import running_trials, until
from tests.support.membudget_process import Finished, finish, start
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages


@pytest.fixture(scope="module")
def podman_engine(images: PreparedImages) -> Iterator[Engine]:
    """A Podman that has the prepared images; in the end it has no container any more."""
    try:
        with podman.running() as running:
            running.load(images.truth, images.service, images.healthy)
            with contextlib.closing(connect({**os.environ, "DOCKER_HOST": running.address})) as engine:
                if not vantage_on(engine).acts_alone:
                    skip_for_want_of("this process does not see the engine's cgroups")
                yield engine
                assert engine.client.api.containers(all=True) == []
        assert not running.folder.exists()
    except podman.CannotHavePodman as error:
        skip_for_want_of(f"no Podman can be had: {error}")


def measure(engine: Engine, *arguments: str) -> Finished:
    """`membudget measure` to its end, which leaves no cgroup."""
    process = start("measure", "--json", *arguments, environ={"DOCKER_HOST": engine.address})
    done = finish(process)
    assert cgroups_of(process.pid) == []
    assert "clean-up is incomplete" not in done.stderr
    return done


def cgroups_of(pid: int) -> list[str]:
    """Cgroups of the runs of one process."""
    names = our_cgroups(Path("/sys/fs/cgroup"))
    return [name for name in names if (run := run_of(name)) is not None and run.owner.pid == pid]


def test_it_is_known_for_what_it_is(podman_engine: Engine) -> None:
    assert (podman_engine.info.kind, podman_engine.info.rootless) == ("podman", False)


def test_a_known_peak_is_found_by_the_kernel_and_by_sampling(podman_engine: Engine, images: PreparedImages) -> None:
    truth_mib = 220

    done = measure(podman_engine, "--trials", "1", images.truth, "--", "20", "200", "20", "5", "50")

    assert done.exit_code == 0, done.stderr
    metrics = done.json["metrics"]
    assert metrics["peak_rss"]["value"] == pytest.approx(truth_mib * MIB, rel=0.02)
    assert metrics["peak_memory"]["value"] == pytest.approx(truth_mib * MIB, abs=0.02 * truth_mib * MIB + 2 * MIB)
    assert metrics["oom_kills"]["value"] == 0
    assert metrics["image_size"]["value"] > 0


def test_what_podman_runs_beside_a_small_container_is_not_counted(
    podman_engine: Engine, images: PreparedImages
) -> None:
    """conmon, and what it starts when the container has ended, take more than this container."""
    done = measure(podman_engine, "--trials", "1", images.truth, "--", "2", "2", "20", "5", "50")

    assert done.exit_code == 0, done.stderr
    metrics = done.json["metrics"]
    assert metrics["peak_rss"]["value"] == pytest.approx(4 * MIB, abs=0.5 * MIB)
    assert metrics["peak_memory"]["value"] < 6 * MIB


def test_an_oom_kill_of_a_child_is_counted_though_the_container_lives_on(
    podman_engine: Engine, images: PreparedImages
) -> None:
    killed = ("20", "100", "20", "1", "50", "child")

    done = measure(podman_engine, "--limit", "64MiB", "--trials", "1", images.truth, "--", *killed)

    assert done.exit_code == 0, done.stderr
    assert done.json["metrics"]["oom_kills"]["value"] >= 1
    assert [(trial["outcome"], trial["exit_code"]) for trial in done.json["trials"]] == [("oom_killed", 0)]


def test_a_command_that_is_not_there_is_the_images_fault(podman_engine: Engine, images: PreparedImages) -> None:
    done = measure(podman_engine, images.service, "--", "no-such-command")

    assert done.exit_code == 3, done.stderr
    assert "the container cannot start" in done.json["trials"][-1]["reason"]


@pytest.mark.parametrize(
    "workload",
    [
        HttpWorkload(kind="http", port=8080, requests=(HttpRequests(path="/hold/20", count=1),)),
        ExecWorkload(
            kind="exec",
            commands=(("python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/hold/20')"),),
            ready=Readiness(log="listening on"),
        ),
        HttpWorkload(
            kind="http",
            port=8080,
            requests=(HttpRequests(path="/hold/20", count=1),),
            ready=Readiness(healthcheck=True),
        ),
    ],
    ids=["http", "exec, ready by its log", "http, ready by HEALTHCHECK"],
)
def test_a_service_is_exercised(podman_engine: Engine, images: PreparedImages, workload: Workload) -> None:
    image_id = inspect(podman_engine, images.healthy).image_id
    warnings: list[str] = []
    options = MeasuringOptions(VERSION, "host")

    with measuring(podman_engine, own_run_id(), options, warnings.append) as runner:
        trial = runner.run(TrialSpec("test", image_id, 128 * MIB, 30_000, workload))

    assert (trial.outcome, trial.reason) == (Outcome.COMPLETED, None)
    peak = trial.metrics[Metric.PEAK_RSS].value
    assert peak is not None
    assert peak > 20 * MIB  # the request did its work
    assert warnings == []
    assert cgroups_of(os.getpid()) == []


def test_what_a_killed_run_left_is_reaped_by_the_next(podman_engine: Engine, images: PreparedImages) -> None:
    endless = ("measure", "--timeout", "10m", images.truth, "--", "20", "0", "600000", "1", "0")
    process = start(*endless, environ={"DOCKER_HOST": podman_engine.address})
    until(lambda: bool(running_trials(podman_engine)), "a running trial")

    process.kill()
    finish(process)
    assert running_trials(podman_engine)
    assert cgroups_of(process.pid)

    assert measure(podman_engine, "--trials", "1", images.truth).exit_code == 0
    assert not running_trials(podman_engine)
    assert cgroups_of(process.pid) == []


def test_the_self_test_of_the_doctor_needs_no_builder(podman_engine: Engine) -> None:
    done = finish(start("doctor", "--json", "--only", "self-test", environ={"DOCKER_HOST": podman_engine.address}))

    assert done.exit_code == 0, done.stdout + done.stderr
    held, spike, kills = done.json["checks"][0]["figures"]
    assert held["measured"] == pytest.approx(64 * MIB, abs=MIB // 2)
    assert spike["measured"] == pytest.approx(96 * MIB, rel=0.1)
    assert kills["measured"] == 1
    assert images_of_runs(podman_engine) == []


def test_the_image_of_a_killed_self_test_is_removed_by_the_next_run(podman_engine: Engine) -> None:
    environ = {"DOCKER_HOST": podman_engine.address}
    process = start("doctor", "--only", "self-test", environ=environ)
    until(lambda: bool(running_trials(podman_engine, process.pid)), "a running trial")
    process.kill()
    finish(process)
    assert len(images_of_runs(podman_engine)) == 1

    done = finish(start("doctor", "--only", "self-test", environ=environ))

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "clean-up is incomplete" not in done.stderr
    assert images_of_runs(podman_engine) == []


def images_of_runs(engine: Engine) -> list[str]:
    """The tags of images that runs of membudget made."""
    tags = [tag for image in engine.client.api.images() for tag in image["RepoTags"] or ()]
    return [tag for tag in tags if TRIAL_IMAGES in tag]
