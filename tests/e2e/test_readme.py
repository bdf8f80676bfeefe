"""The README and the pages in docs are true: every command is run, every file that they show is checked.

test_documented_commands.py runs the commands of the pages.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.budget_tables import SizeBudget
from membudget.cli.arguments import make_parser
from membudget.core.errors import ExitCode
from membudget.core.files import OWN_FOLDER
from membudget.core.metrics import Metric
from tests.support.engine import require_engine
from tests.support.shown_commands import blocks, commands, newcomers_repository, run_shown

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()
COMMANDS = (TOP / "docs/commands.md").read_text()
MEASUREMENTS = (TOP / "docs/measurements.md").read_text()
LONGEST_README = 150
"""Lines. What needs more is told in docs."""


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


@pytest.mark.engine
@pytest.mark.timeout(1200)
def test_every_command_works(clone: Path, tmp_path: Path) -> None:
    require_engine().close()
    getting, *using = commands(README)
    assert getting.startswith("git clone https://github.com/membudget/"), "the clone is there: no server answers here"
    assert "`make demo` in the clone" in README
    service = newcomers_repository(tmp_path).folder

    for command in ("make demo", *using):
        folder = clone if command.startswith("make") else clone.parent if command.startswith("pip") else service
        run_shown(command, folder, clone / ".venv/bin")

    assert (clone / "build/demo/comment.md").read_text().count("|") > 50


def test_the_budgets_file_is_valid_and_short() -> None:
    (block,) = blocks(README, "toml")
    images = budgets_file.parse(block, "README.md")
    budget = images["api"].budgets.of(Metric.PEAK_RSS)
    assert isinstance(budget, SizeBudget)
    assert budget.growth is not None, "the defaults hold for what the image does not say"
    assert len([line for line in block.splitlines() if line.strip()]) <= 10


def test_exit_codes_and_metrics_are_the_ones_of_the_program() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", COMMANDS, flags=re.MULTILINE)] == list(ExitCode)
    (table,) = re.findall(r"<!-- metrics: values -->(.*?)<!-- metrics: end -->", MEASUREMENTS, flags=re.DOTALL)
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == [metric.value for metric in Metric]


def test_every_command_of_the_program_is_documented() -> None:
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", COMMANDS, flags=re.MULTILINE)))
    assert set(named) == set(re.findall(r"^    (\w+) ", make_parser().format_help(), flags=re.MULTILINE))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README


def test_the_readme_writes_nothing_that_git_would_add() -> None:
    outputs = re.findall(r"--output ([^\s`]+)", README)
    assert outputs
    assert [output for output in outputs if not output.startswith(f"{OWN_FOLDER}/")] == []
