import json
import shutil
from pathlib import Path

import pytest

from membudget.setup.finding import as_json, as_text
from membudget.setup.validate import validate
from tests.support.golden import assert_golden

BROKEN = Path(__file__).parents[1] / "budgets" / "broken.toml"
BUDGETS = 'version = 1\n[images.api]\nlimit = "64MiB"\n'
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WORKFLOW = f"""\
name: membudget
on:
  pull_request:
    types: [opened, synchronize, reopened, labeled]
jobs:
  m:
    permissions: {{{{ contents: read, pull-requests: write }}}}
    steps:
      - uses: actions/checkout@v6
        with: {{{{ fetch-depth: 0 }}}}
      - uses: membudget/membudget@{COMMIT} # v0.1.0
        with:
          budgets: {{budgets}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "Dockerfile").touch()
    write(tmp_path, "budgets.toml", BUDGETS)
    return tmp_path


def write(top: Path, path: str, text: str) -> None:
    (top / path).parent.mkdir(parents=True, exist_ok=True)
    (top / path).write_text(text)


def said(folder: Path, *files: str) -> list[str]:
    return as_text(validate(files, folder)).splitlines()


def test_a_valid_file_has_no_problems(repository: Path) -> None:
    assert said(repository) == ["1 file checked, no problems found"]


def test_everything_that_is_wrong_is_told_at_once(repository: Path) -> None:
    """A file with many faults, and a workflow that uses it."""
    shutil.copy(BROKEN, repository / "budgets.toml")
    for name in ("Dockerfile.prod", "settings.env", "compose.yaml"):
        write(repository, f"web/{name}", "")
    workflow = WORKFLOW.format(budgets="budgets.toml") + "          images: api wbe\n          coment: always\n"
    write(repository, ".github/workflows/memory.yml", workflow)
    write(repository, ".github/workflows/unfinished.yml", "# membudget\non: [pull_request\n")
    assert_golden("validate-broken.txt", as_text(validate((), repository)))


def test_without_a_budgets_file_init_is_what_to_run(tmp_path: Path) -> None:
    assert said(tmp_path)[:2] == [
        "budgets.toml: error: the budgets file was not found",
        "  fix: run `membudget init` to create one, or pass another file with --budgets FILE",
    ]


def test_budgets_files_that_workflows_name_are_validated_too(repository: Path) -> None:
    write(repository, ".github/workflows/m.yml", WORKFLOW.format(budgets="ci/budgets.toml"))
    write(repository, "ci/budgets.toml", "version = 1\n")
    found = validate((), repository)
    assert found.files == ("budgets.toml", "ci/budgets.toml", ".github/workflows/m.yml")
    assert [(one.problem.file, one.problem.key) for one in found.findings] == [("ci/budgets.toml", "images")]


def test_only_the_files_that_are_given_are_validated(repository: Path) -> None:
    write(repository, ".github/workflows/m.yml", WORKFLOW.format(budgets="ci/budgets.toml"))
    write(repository, "ci/budgets.toml", "version = 1\n")
    assert said(repository, "budgets.toml", ".github/workflows/m.yml") == ["2 files checked, no problems found"]


def test_what_doctor_says_of_a_workflow_is_told_with_its_place(repository: Path) -> None:
    workflow = (
        WORKFLOW.format(budgets="budgets.toml").replace("fetch-depth: 0", "fetch-depth: 1").replace(COMMIT, "main")
    )
    write(repository, ".github/workflows/m.yml", workflow.replace("pull-requests: write", "pull-requests: read"))
    assert said(repository, ".github/workflows/m.yml") == [
        ".github/workflows/m.yml:7:18: warning: the job lacks pull-requests: write",
        "  fix: permissions: contents: read; pull-requests: write",
        ".github/workflows/m.yml:9:15: error: the checkout has one commit, and lacks the base",
        "  fix: give it `fetch-depth: 2`",
        ".github/workflows/m.yml:11:15: warning: @main is no release: what it names changes",
        "  fix: name a release's tag or commit: git ls-remote https://github.com/membudget/membudget prints them",
        "1 file checked: 1 error and 2 warnings",
    ]


def test_a_workflow_is_seen_beside_those_that_are_not_validated(repository: Path) -> None:
    """A reporter waits for the workflow that measures, by its name."""
    write(repository, ".github/workflows/m.yml", WORKFLOW.format(budgets="budgets.toml"))
    reporter = f"""\
on:
  workflow_run: {{ workflows: [NAME] }}
jobs:
  report:
    permissions: {{ actions: read, pull-requests: write }}
    uses: membudget/membudget/.github/workflows/report.yml@{COMMIT} # v0.1.0
"""
    write(repository, ".github/workflows/report.yml", reporter.replace("NAME", "membudget"))
    assert said(repository, ".github/workflows/report.yml") == ["1 file checked, no problems found"]
    write(repository, ".github/workflows/report.yml", reporter.replace("NAME", "memory"))
    (line, *_) = said(repository, ".github/workflows/report.yml")
    assert line.endswith(":2:3: error: it waits for memory, but the workflow that measures is called membudget")


def test_names_are_those_of_the_working_folder(repository: Path) -> None:
    write(repository, ".github/workflows/m.yml", WORKFLOW.format(budgets="no.toml"))
    (repository / "sub").mkdir()
    lines = said(repository / "sub", "../budgets.toml", "../.github/workflows/m.yml")
    assert lines[0].startswith("../.github/workflows/m.yml:13:20: error: jobs.m: budgets: names no file")


def test_a_budgets_file_outside_of_the_repository_is_not_read_for_a_workflow(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, "top/.git/config", "")
    write(tmp_path, "top/.github/workflows/m.yml", WORKFLOW.format(budgets="../budgets.toml"))
    (line, *_) = said(tmp_path / "top", ".github/workflows/m.yml")
    assert "names no file in the repository" in line


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.toml", "the budgets file was not found"),
        ("gone.yml", "cannot be read: No such file or directory"),
        ("Dockerfile", "is neither a budgets file"),
        ("compose.yaml", "is no workflow"),
    ],
)
def test_what_cannot_be_validated_is_an_error(repository: Path, name: str, message: str) -> None:
    write(repository, "compose.yaml", "services: {}\n")
    found = validate([name], repository)
    assert message in as_text(found)
    assert found.exit_code == 2


def test_a_workflow_that_does_not_use_membudget_is_valid(repository: Path) -> None:
    write(repository, ".github/workflows/other.yml", "on: push\njobs: {}\n")
    assert said(repository, ".github/workflows/other.yml") == ["1 file checked, no problems found"]


def test_a_program_gets_places_and_guesses(repository: Path) -> None:
    write(repository, "budgets.toml", BUDGETS + "limt = 1\n")
    (problem,) = json.loads(as_json(validate((), repository)))["problems"]
    assert (problem["line"], problem["column"], problem["guess"]) == (4, 1, "limit")


def test_a_budgets_file_with_an_endless_name_is_a_problem_and_no_bug(repository: Path) -> None:
    write(repository, ".github/workflows/memory.yml", WORKFLOW.format(budgets="x" * 300))
    assert any("x" * 20 in line for line in said(repository))


def test_a_pod_that_cannot_be_measured_is_found_in_a_plain_manifest(repository: Path) -> None:
    write(repository, "deploy.yaml", "kind: Pod\nspec:\n  containers:\n    - {name: main, image: shop/other}\n")
    table = 'kubernetes = { manifest = "deploy.yaml", container = "mian" }\n'
    write(repository, "budgets.toml", f"version = 1\n[images.api]\n{table}")
    first, *_ = said(repository)
    assert first.startswith(
        "budgets.toml:3:54: error: images.api.kubernetes.container: cannot be measured: there is no"
    )
    write(repository, "chart/Chart.yaml", "name: chart\n")
    write(repository, "budgets.toml", 'version = 1\n[images.api]\nkubernetes = { manifest = "chart" }\n')
    assert said(repository) == ["1 file checked, no problems found"]
