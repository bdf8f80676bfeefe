"""What `membudget fit` refuses before it needs an engine."""

from pathlib import Path

import pytest

from membudget.cli.main import main
from membudget.core.errors import ExitCode
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a budgets file, and no engine."""
    repository = Repository.new(tmp_path / "repository")
    repository.write({"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"})
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    return repository.folder


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--confirm", "0"], "--confirm: a whole number from 1 to 1000"),
        (["--confirm", "1000000"], "--confirm: a whole number from 1 to 1000"),
        (["--at-most", "4MiB"], "--at-most: at least 8MiB"),
        (["--at-most", "64"], '"64" has no unit'),
        (["--format", "html"], "invalid choice: 'html'"),
    ],
)
def test_wrong_arguments_are_told(
    folder: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", *arguments])
    assert ended.value.code == ExitCode.CONFIGURATION
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["a", "b", "--", "x"], ["--", "x"], ["a", "--write", "--", "x"]])
def test_a_command_is_for_one_image_of_the_engine(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *arguments]) == ExitCode.CONFIGURATION
    assert "a command after -- is for one image that the engine has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("budgets", "why"),
    [
        ('version = 1\n[defaults]\nlimit = "4MiB"\n[images.api]\n', "limit: is too small for any container"),
        (f'{BUDGETS}[groups.x]\nimages = ["api", "api"]\n', "names an image that this group already has"),
        (f"{BUDGETS}[images.api]\n", "is not valid TOML"),
    ],
)
def test_a_broken_budgets_file_is_told_and_left_alone(
    folder: Path, budgets: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "budgets.toml").write_text(budgets)
    assert main(["fit", "--write"]) == ExitCode.CONFIGURATION
    assert why in capsys.readouterr().err
    assert (folder / "budgets.toml").read_text() == budgets


def test_a_missing_budgets_file_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "budgets.toml").unlink()
    assert main(["fit"]) == ExitCode.CONFIGURATION
    assert "run `membudget init` to create one" in capsys.readouterr().err


def test_without_an_engine_nothing_can_be_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit"]) == ExitCode.UNMEASURED
    assert "fix:" in capsys.readouterr().err
