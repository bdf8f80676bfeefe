"""`membudget measure` against images whose memory is known."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from membudget.core.metrics import SILENT_WHEN_ABSENT, Metric
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from membudget.engine.vantage import vantage_on
from tests.support.awaited import running_trials, until
from tests.support.membudget_process import finish, run, start
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages

_ALWAYS = {"image_size", "image_waste", "image_layers", "peak_rss", "peak_memory", "peak_working_set", "oom_kills"}
_ALWAYS |= {"cpu_seconds", "swap_peak"}
_KEYS_OF_A_VALUE = {
    "value",
    "unit",
    "precision",
    "is_less_precise",
    "reason",
    "at_most",
    "at_least",
    "interval",
    "is_lower_bound",
}
_OF_SERVICES = {"settled_rss", "startup_time", *(metric.value for metric in SILENT_WHEN_ABSENT)}


@pytest.fixture(params=["host", "container"])
def probe(request: pytest.FixtureRequest, engine: Engine) -> str:
    """Where to measure from: both places have to see the same."""
    place = str(request.param)
    if place == "container":
        request.getfixturevalue("helper_image")
    elif not vantage_on(engine).acts_alone:
        skip_for_want_of("this process does not see the engine's cgroups, or is not root")
    return place


def test_a_known_peak_is_found_by_the_kernel_and_by_sampling(images: PreparedImages, probe: str) -> None:
    truth_mib = 220  # 20 MiB, and five times 200 MiB more, held for 20 ms each

    done = run("measure", "--probe", probe, "--json", images.truth, "--", "20", "200", "20", "5", "50")

    assert done.exit_code == 0, done.stderr
    metrics = done.json["metrics"]
    assert metrics["peak_rss"]["value"] == pytest.approx(truth_mib * MIB, rel=0.02)
    assert metrics["peak_memory"]["value"] == pytest.approx(truth_mib * MIB, abs=0.02 * truth_mib * MIB + 2 * MIB)
    assert metrics["oom_kills"]["value"] == 0


def test_the_json_has_the_promised_shape(images: PreparedImages) -> None:
    done = run("measure", "--json", "--trials", "2", "--limit", "64MiB", images.truth)

    assert done.exit_code == 0, done.stderr
    metrics = done.json["metrics"]
    assert set(metrics) == {metric.value for metric in Metric}
    for value in metrics.values():
        assert set(value) == _KEYS_OF_A_VALUE
        assert (value["value"] is None) == (value["reason"] is not None)
    assert all(isinstance(metrics[name]["value"], int) for name in _ALWAYS)
    assert all(metrics[name]["value"] is None for name in _OF_SERVICES)
    assert len(done.json["trials"]) == 2
    assert done.json["limit_bytes"] == 64 * MIB
    assert {trial["outcome"] for trial in done.json["trials"]} == {"completed"}


def test_an_oom_kill_of_a_child_is_counted_though_the_container_lives_on(images: PreparedImages, probe: str) -> None:
    done = run(
        "measure", "--probe", probe, "--json", "--limit", "64MiB", "--trials", "2",
        images.truth, "--", "20", "100", "20", "1", "50", "child",
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    assert done.json["metrics"]["oom_kills"]["value"] >= 1
    assert [(trial["outcome"], trial["exit_code"]) for trial in done.json["trials"]] == [("oom_killed", 0)] * 2


def test_an_oom_kill_that_ends_the_container_at_once_is_counted(images: PreparedImages) -> None:
    done = run("measure", "--json", "--limit", "16MiB", "--trials", "1", images.truth, "--", "200", "0", "0", "1", "0")

    assert done.exit_code == 0, done.stderr
    assert done.json["metrics"]["oom_kills"]["value"] >= 1
    assert done.json["trials"][0]["exit_code"] == 137


def test_a_kill_that_was_no_oom_is_none(images: PreparedImages) -> None:
    killed = "sh -c 'kill -9 $$'; exit $?"

    done = run("measure", "--json", "--trials", "1", images.service, "--", "sh", "-c", killed)

    trial = done.json["trials"][0]
    assert trial["exit_code"] == 137
    assert trial["metrics"]["oom_kills"]["value"] == 0
    assert trial["outcome"] == "workload_failed"
    assert done.exit_code == 3  # nothing could be measured


def test_a_container_that_ends_at_once_still_has_the_kernels_mark(images: PreparedImages) -> None:
    done = run("measure", "--json", "--trials", "1", images.truth, "--", "1", "0", "0", "1", "0")

    assert done.exit_code == 0, done.stderr
    metrics = done.json["metrics"]
    assert metrics["peak_memory"]["value"] >= 1 * MIB
    rss = metrics["peak_rss"]  # sampled or not: never a made-up zero
    assert rss["value"] is None or rss["value"] > 0
    assert (rss["value"] is None) == (rss["reason"] is not None)


def test_the_table_says_what_was_measured(images: PreparedImages) -> None:
    done = run("measure", "--limit", "64MiB", images.truth)

    assert done.exit_code == 0, done.stderr
    assert "peak RSS" in done.stdout
    assert "OOM kills" in done.stdout
    assert "64.0 MiB" in done.stdout
    end = done.stdout[done.stdout.rindex("\npeak RSS  ") :].splitlines()[1:]
    assert re.fullmatch(r"peak RSS  20\.\d MiB \(median of 3 trials.*\)", end[0])
    assert end[1] == "limit     64.0 MiB"
    assert re.fullmatch(r"unused    4[34]\.\d MiB \(6\d(\.\d)?%\)", end[2])
    assert "Next: set a budget" in done.stdout


def test_images_are_compared_by_the_memory_that_one_command_needs_in_each(
    images: PreparedImages, tmp_path: Path
) -> None:
    """Outside of a repository, with an image in which the command fails."""
    names = (images.service, images.truth, images.healthy)
    worker = "import time; held = bytearray(30 << 20); time.sleep(0.3)"

    done = run("measure", *names, "--", "python3", "-c", worker, folder=tmp_path)

    assert done.exit_code == 3, done.stderr
    assert f"{images.truth}: not compared: a trial failed" in done.stdout
    assert "Smallest peak RSS: " in done.stdout
    turns = [line.split(": ")[0].strip() for line in done.stderr.splitlines() if "trial 2 of 5" in line]
    assert turns == [images.healthy, images.service], "in turns, without the image that failed"


@pytest.fixture
def larger(engine: Engine, images: PreparedImages) -> Iterator[str]:
    """An image whose own command holds twice as much as that of `images.truth`."""
    name = "membudget-test/larger"
    container = engine.client.containers.create(images.truth)
    try:
        container.commit(name, changes='CMD ["40", "0", "100", "1", "0"]')
    finally:
        container.remove()
    yield name
    engine.client.images.remove(name)


def test_a_difference_is_found_and_told_as_json(images: PreparedImages, larger: str, tmp_path: Path) -> None:
    done = run("measure", "--json", "--trials", "4", larger, images.truth, folder=tmp_path)

    assert done.exit_code == 0, done.stderr
    compared = done.json
    assert [image["image"] for image in compared["images"]] == [images.truth, larger]
    assert compared["smallest"] == images.truth
    (other,) = compared["comparisons"]
    assert (other["image"], other["difference"]) == (larger, "more")
    assert other["ratio"] == pytest.approx(2, rel=0.02)
    assert 1.9 < other["low"] <= other["ratio"] <= other["high"]


def test_a_command_without_dashes_is_no_image(images: PreparedImages) -> None:
    done = run("measure", images.truth, "true")
    assert done.exit_code == 2
    assert "the image true is not in the engine" in done.stderr
    assert "A command goes after --" in done.stderr


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("measure", "--json", "IMAGE", "--", "no-such-command"), "cannot start"),
        (
            ("measure", "--json", "--timeout", "500ms", "IMAGE", "--", "1", "0", "60000", "1", "0"),
            "still running after",
        ),
        (("measure", "--json", "IMAGE", "--", "1"), "exited with code 2"),
    ],
    ids=["no such command", "too slow", "fails"],
)
def test_what_could_not_be_measured_says_why_and_exits_with_3(
    images: PreparedImages, command: tuple[str, ...], why: str
) -> None:
    image = images.service if "no-such-command" in command else images.truth

    done = run(*(image if word == "IMAGE" else word for word in command))

    assert done.exit_code == 3, done.stderr
    assert done.json["metrics"]["peak_rss"]["value"] is None
    assert why in done.json["metrics"]["peak_rss"]["reason"]
    assert why in done.json["trials"][-1]["reason"]
    assert len(done.json["trials"]) == 1


def test_an_image_that_is_not_there_is_a_configuration_error(engine: Engine) -> None:
    done = run("measure", "membudget-test/none:such")

    assert done.exit_code == 2
    assert "membudget-test/none:such is not in the engine" in done.stderr
    assert "fix: docker pull" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_engine_is_an_environment_failure() -> None:
    done = run("measure", "any", environ={"DOCKER_HOST": "unix:///nowhere/docker.sock"})

    assert done.exit_code == 3
    assert "no container engine answers at unix:///nowhere/docker.sock" in done.stderr
    assert "fix: start Docker" in done.stderr


def test_nothing_is_charged_to_the_measured_cgroup_and_nothing_stays(clean: None, images: PreparedImages) -> None:
    """The sampled usage of a container that holds 20 MiB is that, the runtime's start apart: no agent is in there."""
    done = run("measure", "--json", "--trials", "1", images.truth, "--", "20", "0", "500", "1", "0")

    assert done.exit_code == 0, done.stderr
    series = done.json["trials"][0]["series"]
    assert max(series["usage_bytes"]) - max(series["rss_bytes"]) < 2 * MIB


def test_the_measured_container_is_shut_in(engine: Engine, images: PreparedImages) -> None:
    process = start("measure", "--limit", "64MiB", "--trials", "1", images.truth, "--", "20", "0", "2000", "1", "0")
    until(lambda: bool(running_trials(engine, process.pid)), "a running trial")
    container = engine.client.api.inspect_container(running_trials(engine, process.pid)[0])
    assert finish(process).exit_code == 0

    settings = container["HostConfig"]
    assert settings["Memory"] == settings["MemorySwap"] == 64 * MIB  # swap included: there is none
    assert "membudget_" in settings["CgroupParent"]
    assert settings["NetworkMode"] == "none"
    assert "no-new-privileges" in settings["SecurityOpt"]
    assert settings["PidsLimit"] == 4096
    assert not settings["Privileged"]
    assert not settings["Binds"]
    assert not container["Mounts"]


def test_the_users_proxies_are_not_the_containers(images: PreparedImages, tmp_path: Path) -> None:
    proxies = {"proxies": {"default": {"httpProxy": "http://user:secret@localhost:1"}}}
    (tmp_path / "config.json").write_text(json.dumps(proxies))

    look = ("sh", "-c", "env; ! env | grep -i proxy")
    done = run("measure", "--trials", "1", images.service, "--", *look, environ={"DOCKER_CONFIG": str(tmp_path)})

    assert done.exit_code == 0, done.stdout
