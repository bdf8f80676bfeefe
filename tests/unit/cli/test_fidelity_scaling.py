"""What `membudget fidelity scaling` refuses before anything runs."""

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest

from membudget.advise.fit import FitSubject
from membudget.advise.scaling import ScalingWanted
from membudget.advise.subjects import ChosenImages
from membudget.budgets.workload import CommandWorkload
from membudget.cli import fidelity_arguments, fidelity_scaling
from membudget.cli.fidelity_scaling import _measurable
from membudget.cli.main import main
from membudget.cli.subjects import Ready, Workshop
from membudget.cli.tools import MeasuringTools
from membudget.core.errors import ConfigurationError, ExitCode, Interrupted
from membudget.core.quantities import MOST_CPUS
from membudget.engine.connection import Engine
from membudget.engine.run_id import RunId
from membudget.measure.equipment import TrialPool
from membudget.measure.trial import Trial, TrialSpec
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial
from tests.support.repository import Repository
from tests.support.silence import Silence

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a budgets file, and no engine."""
    repository = Repository.new(tmp_path / "repository")
    repository.commit("api", {"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"})
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    return repository.folder


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--cpus", "0"], "--cpus: '0' is not a whole number from 1 to 1024"),
        (["--connections", "many"], "--connections: 'many' is not a whole number from 1 to 1000000"),
        (["--at-cpus", "1,,2"], "--at-cpus: '' is not a whole number from 1 to 1024"),
        (["--at-cpus", "1,1"], "--at-cpus: '1,1' is not a list of up to 8 different numbers"),
        (["--loads", "1,2,3,4,5,6,7,8,9"], "is not a list of up to 8 different numbers"),
        (["--trials", "0"], "--trials: '0' is not a whole number from 1 to 100"),
        (["--format", "html"], "invalid choice: 'html'"),
    ],
)
def test_wrong_arguments_are_told(
    folder: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fidelity", "scaling", *arguments])
    assert ended.value.code == ExitCode.CONFIGURATION
    assert why in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize("arguments", [["a", "b", "--", "x"], ["--", "x"]])
def test_a_command_is_for_one_image_of_the_engine(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fidelity", "scaling", *arguments]) == ExitCode.CONFIGURATION
    assert "a command after -- is for one image that the engine has" in capsys.readouterr().err


@pytest.mark.thorough
def test_one_trial_is_too_few(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "scaling", "--trials", "1"]) == ExitCode.CONFIGURATION
    assert "use 2 or more" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_budgets_file_that_is_missing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "scaling", "--budgets", "none.toml"]) == ExitCode.CONFIGURATION
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.thorough
def test_an_engine_that_is_missing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "scaling"]) == ExitCode.UNMEASURED
    assert "no container engine answers" in capsys.readouterr().err


class OneImage(FakeTools):
    """Tools that measure the first image, and are interrupted in the second."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        if spec.name == "second":
            raise Interrupted
        return trial(40)


def test_an_interruption_shows_the_images_that_were_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subjects = tuple(FitSubject(TrialSpec(name, name, None, 1000, CommandWorkload())) for name in ("first", "second"))
    found = Ready(subjects, (), cast("MeasuringTools", OneImage()), None)
    monkeypatch.setattr(fidelity_scaling, "ready", lambda *_, **__: nullcontext(found))
    options = argparse.Namespace(container_command=(), timeout=1000, at_cpus=None, format="table")
    shop = Workshop(cast("Engine", None), cast("TrialPool", None), Silence(), cast("RunId", None))
    with pytest.raises(Interrupted):
        fidelity_scaling._measured(ChosenImages({}), ScalingWanted((1, 2), None, 2), options, shop, (None, 2))
    shown = capsys.readouterr().out
    assert "first takes 40.0 MiB in any case" in shown
    assert "second" not in shown


@pytest.mark.parametrize(
    ("asked", "there", "measured"),
    [(None, 1, (1,)), (None, 2, (1, 2)), (None, 3, (1, 2)), (None, 16, (1, 2, 4)), ((2, 3), 3, (2, 3))],
)
def test_only_cpus_of_the_machine_are_measured(
    asked: tuple[int, ...] | None, there: int, measured: tuple[int, ...]
) -> None:
    assert _measurable(asked, there) == measured


def test_cpus_that_the_machine_lacks_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="4 CPUs cannot be measured: this machine has 2 CPUs") as refused:
        _measurable((1, 2, 4), 2)
    assert refused.value.where == "--at-cpus"


def test_as_many_cpus_may_be_asked_for_as_a_container_may_have() -> None:
    assert fidelity_arguments.MOST_CPUS == MOST_CPUS
