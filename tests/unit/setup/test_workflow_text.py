"""The workflows that `init` writes are those of the documentation, and please the linters."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from documented_workflows import workflows_of
from membudget.setup.workflow_text import WorkflowText, workflow_files
from membudget.version import VERSION

TOP = Path(__file__).parents[3]
DOCUMENTED = [one.text for one in workflows_of(TOP, ["README.md", "docs/pull-requests.md"])]
WRITTEN = [file for fork_safe in (False, True) for file in workflow_files("budgets.toml", fork_safe=fork_safe)]


def without_our_pin(text: str) -> str:
    return re.sub(r"(\bmembudget/membudget\S*@).*", r"\1", text)


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.path)
def test_a_workflow_is_documented_but_for_its_pin(file: WorkflowText) -> None:
    assert without_our_pin(file.text) in map(without_our_pin, DOCUMENTED)
    assert f"@v{VERSION} #" in file.text


def test_the_readme_shows_what_init_writes() -> None:
    (one,) = workflow_files("budgets.toml", fork_safe=False)
    assert [shown.text for shown in workflows_of(TOP, ["README.md"])] == [one.text]


def test_a_pair_measures_and_reports() -> None:
    assert [file.path for file in workflow_files("budgets.toml", fork_safe=True)] == [
        ".github/workflows/membudget.yml",
        ".github/workflows/membudget-report.yml",
    ]


@pytest.mark.parametrize("fork_safe", [False, True])
def test_another_budgets_file_is_named(fork_safe: bool) -> None:
    measuring, *_ = workflow_files('memory "x".toml', fork_safe=fork_safe)
    (job,) = yaml.safe_load(measuring.text)["jobs"].values()
    user = job if fork_safe else job["steps"][-1]
    assert user["with"] == {"budgets": 'memory "x".toml'}


@pytest.mark.thorough
@pytest.mark.parametrize("file", [*WRITTEN, *workflow_files("b.toml", fork_safe=True)], ids=lambda file: file.path)
def test_the_linters_are_content(file: WorkflowText, tmp_path: Path) -> None:
    path = tmp_path / Path(file.path).name
    path.write_text(file.text)
    for command in (["actionlint"], ["zizmor", "--offline", "--strict-collection", "--quiet"]):
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run([program, *command[1:], path], cwd=TOP, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
