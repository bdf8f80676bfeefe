"""The README does what it says: every command is run, every file it shows is checked."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import base_image
from membudget.budgets import file as budgets_file
from membudget.budgets.metric_budgets import SizeBudget
from membudget.core.errors import ExitCode
from membudget.core.metrics import Metric
from tests.support.engine import require_engine
from tests.support.repository import Repository

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()

BUDGETS = """\
version = 1
[images.api]
limit = "64MiB"
workload = { kind = "command", command = ["true"] }
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it would be committed now, in a new folder."""
    folder = tmp_path_factory.mktemp("readme") / "membudget"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (TOP / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's repository, with an image named api."""
    base_image.provide("bookworm")
    repository = Repository.new(tmp_path_factory.mktemp("user") / "service")
    repository.commit("Base", {"budgets.toml": BUDGETS, "Dockerfile": "FROM debian:bookworm-slim\nLABEL side=base\n"})
    repository.branch("change")
    repository.commit("Head", {"Dockerfile": "FROM debian:bookworm-slim\nLABEL side=head\n"})
    return repository.folder


@pytest.mark.engine
@pytest.mark.timeout(1200)
def test_every_command_works(clone: Path, service: Path) -> None:
    require_engine().close()
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "INPUT_"))}
    environ["PATH"] = f"{clone / '.venv/bin'}:{environ['PATH']}"
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert commands[:3] == ["make demo", "make test", "pip install ."], "this test knows where each one is run"
    commands.remove("make test")  # that is what runs this

    for command in commands:
        folder = service if command.startswith("membudget") else clone
        done = subprocess.run(command, shell=True, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    assert (clone / "build/demo/comment.md").read_text().count("|") > 50


def test_the_budgets_file_is_valid_and_short() -> None:
    (block,) = blocks("toml")
    images = budgets_file.parse(block, "README.md")
    budget = images["api"].budgets.of(Metric.PEAK_RSS)
    assert isinstance(budget, SizeBudget)
    assert budget.growth is not None, "the defaults hold for what the image does not say"
    assert len([line for line in block.splitlines() if line.strip()]) <= 10


def test_exit_codes_and_metrics_are_the_ones_of_the_program() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", README, flags=re.MULTILINE)] == list(ExitCode)
    assert re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE) == [metric.value for metric in Metric]


def test_what_it_links_to_is_there() -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (TOP / target).exists()] == []
