"""Files that are meant to harm whoever validates them: what is said of them is bounded, and comes in no time."""

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from membudget.setup.finding import Validation, as_json, as_text
from membudget.setup.validate import MOST_FINDINGS, MOST_IN_ALL, validate

BUDGETS = 'version = 1\n[images.api]\nlimit = "64MiB"\n'
JOBS = "on: pull_request\njobs:\n  m:\n    steps:\n"
STEP = "      - uses: membudget/membudget@v1\n"
IN_WORKFLOWS = ".github/workflows/w{}.yml"


def images(settings: str, count: int = 500) -> str:
    tables = (f'[images.i{number}]\nlimit = "64MiB"\n{settings.format(number)}\n' for number in range(count))
    return f"version = 1\n{''.join(tables)}"


def listed(form: str, count: int) -> str:
    return "".join(form.format(number) for number in range(count))


def validated(top: Path, files: dict[str, str], empty: Iterable[str] = ()) -> Validation:
    (top / ".git").mkdir()
    (top / "Dockerfile").write_text("FROM scratch\n")
    for name, text in {**files, **dict.fromkeys(empty, "")}.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    begun = time.process_time()
    found = validate((), top)
    assert len(as_text(found)) + len(as_json(found)) < 2_000_000
    assert time.process_time() - begun < 30
    return found


INPUTS = "        with:\n"
ALIASED = "      - {uses: membudget/membudget@v1, with: *x}\n"
CASES = {
    "unknown keys": {"budgets.toml": BUDGETS + listed("wrkload{} = 1\n", 20_000)},
    "missing files": {"budgets.toml": BUDGETS + "container.env_files = [" + listed('"fil{}", ', 20_000) + "]\n"},
    "missing folders": {"budgets.toml": images('build.context = "fil{}"')},
    "missing stages": {
        "budgets.toml": images('build.target = "stge{}"'),
        "Dockerfile": listed("FROM scratch AS stage{}\n", 1000),
    },
    "missing services": {
        "budgets.toml": images('compose.service = "srvice{}"'),
        "compose.yaml": "services:\n" + listed("  service{}: {{}}\n", 900),
    },
    "missing images": {
        "budgets.toml": images(""),
        IN_WORKFLOWS: JOBS + STEP + INPUTS + "          images: " + listed("im{} ", 20_000) + "\n",
    },
    "unknown inputs": {IN_WORKFLOWS: JOBS + STEP + INPUTS + listed("          budgts{}: 1\n", 9000)},
    "many uses": {IN_WORKFLOWS: JOBS + STEP * 5000},
    "many files": {IN_WORKFLOWS.format(number): JOBS + STEP * 20 for number in range(60)},
    "inputs by alias": {IN_WORKFLOWS: "x: &x\n" + listed("  budgts{}: 1\n", 5000) + JOBS + ALIASED * 150},
    "jobs by alias": {
        IN_WORKFLOWS: "# membudget\nx: &x\n  steps: []\n"
        + listed("  k{}: 1\n", 8000)
        + "jobs:\n"
        + listed("  j{}: *x\n", 8000)
    },
    "commands by alias": {
        IN_WORKFLOWS: "x: &x\n  run: |\n"
        + "    membudget check --image nothing\n" * 3000
        + JOBS
        + "      - *x\n" * 1900
    },
}


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_hostile_files_have_a_bounded_number_of_findings(tmp_path: Path, case: str) -> None:
    found = validated(tmp_path, CASES[case], [f"file{number}" for number in range(1500)])
    assert len(found.findings) <= MOST_IN_ALL + 1
    for name in found.files:
        assert sum(one.problem.file == name for one in found.findings) <= MOST_FINDINGS + 1


@pytest.mark.thorough
def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    found = validated(tmp_path, CASES["unknown keys"])
    assert "budgets.toml: error: more than 200 problems: the others are not listed" in as_text(found)
    assert found.errors == MOST_FINDINGS + 1
