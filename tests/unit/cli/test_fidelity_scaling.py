"""What `membudget fidelity scaling` refuses before anything runs."""

from pathlib import Path

import pytest

from membudget.cli.fidelity_scaling import _measurable
from membudget.cli.main import main
from membudget.core.errors import ConfigurationError, ExitCode
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a budgets file, and no engine."""
    repository = Repository.new(tmp_path / "repository")
    repository.commit("api", {"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"})
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    return repository.folder


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


@pytest.mark.parametrize("arguments", [["a", "b", "--", "x"], ["--", "x"]])
def test_a_command_is_for_one_image_of_the_engine(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fidelity", "scaling", *arguments]) == ExitCode.CONFIGURATION
    assert "a command after -- is for one image that the engine has" in capsys.readouterr().err


def test_one_trial_is_too_few(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "scaling", "--trials", "1"]) == ExitCode.CONFIGURATION
    assert "use 2 or more" in capsys.readouterr().err


def test_a_budgets_file_that_is_missing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "scaling", "--budgets", "none.toml"]) == ExitCode.CONFIGURATION
    assert "none.toml" in capsys.readouterr().err


def test_an_engine_that_is_missing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fidelity", "scaling"]) == ExitCode.UNMEASURED
    assert "no container engine answers" in capsys.readouterr().err


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
