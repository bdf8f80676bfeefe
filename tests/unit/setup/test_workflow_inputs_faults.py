from pathlib import Path

import pytest

from documented_workflows import workflows_of
from lint import tracked
from membudget.budgets.key_path import Guesses
from membudget.core.untrusted_text import raw
from membudget.setup.finding import SetupFinding
from membudget.setup.workflow_files import Workflows, parse_workflow
from membudget.setup.workflow_inputs import of_workflow
from membudget.setup.workflow_rules import complaints

TOP = Path(__file__).parents[3]
IMAGES = ("api", "web")


def images_of(budgets: str) -> tuple[str, ...] | None:
    if budgets == "budgets.toml":
        return IMAGES
    if budgets == "broken.toml":
        return None
    raise FileNotFoundError(budgets)


def findings(step: str, around: str = "") -> list[SetupFinding]:
    text = f"on: pull_request\njobs:\n  m:\n    {around}steps:\n      - {step}\n"
    return list(of_workflow(parse_workflow(text, "w.yml"), "w.yml", images_of, Guesses()))


def with_inputs(*lines: str) -> list[SetupFinding]:
    return findings("\n          ".join(["uses: membudget/membudget@v1\n        with:", *lines]))


def said(found: list[SetupFinding]) -> list[str]:
    return [f"{one.problem.line}:{one.problem.column} {one.problem.key}: {one.problem.message}" for one in found]


def test_a_step_with_valid_inputs_is_no_fault() -> None:
    assert findings("uses: membudget/membudget@v1") == []
    assert with_inputs("comment: off", "jobs: 2", "images: api, web", "fail-on: ${{ inputs.x }}", "page:") == []


def test_all_wrong_inputs_come_at_once_with_their_places_and_guesses() -> None:
    assert said(with_inputs("coment: off", "jobs: 99", "fail-on: 'nevr'")) == [
        "7:11 jobs.m: coment: unknown input of the action; did you mean comment?",
        "8:17 jobs.m: jobs: invalid value (found: 99)",
        "9:20 jobs.m: fail-on: invalid value (found: nevr); did you mean never?",
    ]


def test_a_place_of_the_history_is_checked() -> None:
    assert with_inputs("history: branch:memory") == []
    (wrong,) = with_inputs("history: memory")
    assert said([wrong]) == ["7:20 jobs.m: history: invalid value (found: memory)"]
    assert wrong.problem.allowed == "notes, notes:NAME, branch:NAME or folder:PATH"


def test_images_are_looked_up_in_the_budgets_file_that_is_named() -> None:
    (unknown,) = with_inputs("images: api wbe")
    assert said([unknown]) == [
        "7:19 jobs.m: images: names an image that budgets.toml does not define (found: wbe); did you mean web?"
    ]
    assert unknown.problem.allowed == "api, web"
    assert with_inputs("images: api wbe", "budgets: broken.toml") == []
    assert with_inputs("images: api wbe", "budgets: ${{ matrix.file }}") == []


def test_a_budgets_file_that_is_not_there_is_told_with_its_fix() -> None:
    (missing,) = with_inputs("budgets: ci/budgets.toml")
    assert said([missing]) == ["7:20 jobs.m: budgets: names no file in the repository (found: ci/budgets.toml)"]
    assert missing.fix == "run `membudget init` to create one"


def test_merge_needs_the_reports() -> None:
    assert said(with_inputs("command: merge")) == ["7:11 jobs.m: reports: is missing: merge needs it"]
    assert with_inputs("command: merge", "reports: parts", "budgets: nowhere.toml") == []


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("membudget check --image api --image=web", []),
        ("membudget check --image apy", ["5:14 jobs.m: images: names an image that budgets.toml does not define"]),
        ("membudget check --budgets x.toml", ["5:14 jobs.m: budgets: names no file in the repository"]),
        ("membudget plan --budgets=x.toml --shards 2", ["5:14 jobs.m: budgets: names no file in the repository"]),
        ("membudget check --image $IMAGE", []),
        ("membudget check --image 'open", []),
        ("membudget inspect x", []),
    ],
)
def test_calls_of_the_command_line_are_looked_up_too(run: str, expected: list[str]) -> None:
    assert [line.partition(" (found")[0] for line in said(findings(f"run: {run}"))] == expected


@pytest.mark.parametrize("name", ["check.yml", "report.yml"])
def test_inputs_of_our_workflows_are_known(name: str) -> None:
    called = f"uses: membudget/membudget/.github/workflows/{name}@v1\n    with: {{fail-on: never, jbos: 3}}\n    "
    assert said(findings("run: make", called)) == [
        f"5:28 jobs.m: jbos: unknown input of {name}" + ("; did you mean jobs?" if name == "check.yml" else "")
    ]


@pytest.mark.thorough
def test_the_workflows_that_the_documentation_shows_have_no_faults() -> None:
    pages = [name for name in tracked() if name.endswith(".md")]
    shown = list(workflows_of(TOP, pages))
    parsed = [parse_workflow(one.text, f"{one.page}:{one.line}") for one in shown]
    assert sum(len(one.uses) for one in parsed) >= len(shown)
    assert [said(list(of_workflow(one, one.path, images_of, Guesses()))) for one in parsed] == [[]] * len(parsed)
    pins = "the zeros are a placeholder for a commit"
    assert {raw(one.what) for one in complaints(Workflows(tuple(parsed)))} == {pins}
