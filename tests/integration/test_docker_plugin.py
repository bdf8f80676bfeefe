"""`docker membudget …` under the real docker command."""

import os
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

import processes
from membudget.engine.connection import Engine
from membudget.version import VERSION
from tests.support.awaited import running_trials, until
from tests.support.membudget_process import Finished, finish
from tests.support.prepared_images import PreparedImages
from tests.support.started import started

TOP = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder of docker's with the plugin, as `pip install` and `ln -s` make it."""
    module, _, function = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"][
        "docker-membudget"
    ].partition(":")
    script = tmp_path / "bin/docker-membudget"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    plugins = tmp_path / "config/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-membudget").symlink_to(script)
    return plugins.parent


def start(config: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    with processes.default_signals():
        return started(
            subprocess.Popen(
                ["docker", *arguments],
                env={**os.environ, "DOCKER_CONFIG": str(config), **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                cwd=config,
            )
        )


def docker(config: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Finished:
    return finish(start(config, *arguments, environ=environ))


def test_docker_lists_the_plugin_and_shows_its_help(config: Path) -> None:
    listed = [line.split() for line in docker(config, "--help").stdout.splitlines()]
    assert ["membudget*", "Memory", "budgets", "for", "container", "images"] in listed
    assert docker(config, "membudget", "--version").stdout == f"membudget {VERSION}\n"
    for asked in (("membudget", "--help"), ("help", "membudget"), ("--debug", "membudget", "--help")):
        assert docker(config, *asked).stdout.startswith("usage: docker membudget "), asked
    assert docker(config, "membudget", "check", "--help").stdout.startswith("usage: docker membudget check ")


def test_docker_completes_its_commands(config: Path) -> None:
    assert "measure" in docker(config, "__complete", "membudget", "mea").stdout.split()


def test_exit_codes_are_the_ones_of_membudget(config: Path) -> None:
    (config / "budgets.toml").write_text("version = 2\n")
    done = docker(config, "membudget", "validate", "budgets.toml")
    assert (done.exit_code, "budgets.toml:1:11" in done.stdout) == (2, True)


def test_an_image_is_measured_on_the_engine_that_docker_was_told(
    config: Path, images: PreparedImages, engine: Engine
) -> None:
    given = (
        "--host",
        engine.address,
        "membudget",
        "measure",
        images.truth,
        "--trials",
        "1",
        "--",
        "20",
        "0",
        "100",
        "1",
        "0",
    )
    done = docker(config, *given, environ={"DOCKER_HOST": "unix:///nowhere"})
    assert done.exit_code == 0, done.stderr
    assert "peak RSS" in done.stdout


def test_a_context_that_is_not_there_is_told(config: Path) -> None:
    environ = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    process = subprocess.run(
        [config / "cli-plugins/docker-membudget", "--context", "none", "membudget", "measure", "x"],
        env={**environ, "DOCKER_CONFIG": str(config)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 3
    assert "there is no docker context none" in process.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_what_ends_docker_ends_the_trial_and_leaves_nothing(
    clean: None, config: Path, images: PreparedImages, engine: Engine, number: signal.Signals
) -> None:
    """Without a terminal, docker hands no signal on. It closes its socket, as the kernel does after SIGKILL."""
    long = ("measure", images.truth, "--timeout", "10m", "--", "20", "0", "600000", "1", "0")
    process = start(config, "membudget", *long)
    until(lambda: bool(running_trials(engine)), "a running trial")
    process.send_signal(number)
    until(lambda: not running_trials(engine), "the end of the trial")
    done = finish(process)
    if number is not signal.SIGKILL:
        assert done.exit_code == 130, done.stderr
