"""Workflows to call and to paste: found on every page, content for linters, and all of one version."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import lint
from documented_workflows import DocumentedWorkflow, workflows_of, workflows_on
from membudget.version import VERSION

TOP = Path(__file__).parents[2]
PAGES = [name for name in lint.tracked() if name.endswith(".md")]
DOCUMENTED = [*workflows_of(TOP, PAGES)]
OURS = TOP / ".github/workflows"
CALLED = [OURS / "check.yml", OURS / "report.yml"]
ACTION: dict[str, Any] = yaml.safe_load((TOP / "action.yml").read_text())
REFERENCE = re.compile(r"\bmembudget/membudget(?:/[\w./-]+)?@(?:[0-9a-f]{40} # )?(v[^\s`\"']+)")
WORKFLOW = """\
name: one
on: pull_request
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ github.event.pull_request.title }}
"""


def where(workflow: DocumentedWorkflow) -> str:
    return f"{workflow.page}:{workflow.line}"


def linted(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)


def zizmor(file: Path) -> subprocess.CompletedProcess[str]:
    return linted("zizmor", "--offline", "--strict-collection", "--quiet", str(file))


def test_what_looks_like_a_workflow_on_any_page_is_found() -> None:
    lines = {
        f"{page}:{number}"
        for page in PAGES
        for number, line in enumerate((TOP / page).read_text().splitlines(), start=1)
        if line.strip() == "jobs:"
    }
    found = {
        f"{one.page}:{one.line + number}"
        for one in DOCUMENTED
        for number, line in enumerate(one.text.splitlines())
        if line == "jobs:"
    }
    assert found == lines
    assert {one.page for one in DOCUMENTED} == {"README.md", "docs/fit.md", "docs/history.md", "docs/pull-requests.md"}


@pytest.mark.parametrize("fence", ["```yaml", "```yml", "```yaml title=x"])
def test_a_workflow_is_found_with_its_line_and_a_part_of_one_is_not(fence: str) -> None:
    page = f"# A page\n\n```yaml\nconcurrency: one\n```\n\n{fence}\n{WORKFLOW}```\n"
    assert [*workflows_on("page.md", page)] == [DocumentedWorkflow("page.md", 8, WORKFLOW)]


@pytest.mark.thorough
def test_what_is_found_is_linted_and_the_linters_see_what_is_wrong(tmp_path: Path) -> None:
    (workflow,) = workflows_on("docs/page.md", f"```yaml\n{WORKFLOW}```\n")
    file = workflow.write_to(tmp_path)
    assert file.name == "docs-page.md-line-2.yml"
    assert "potentially untrusted" in linted("actionlint", str(file)).stdout
    assert "template-injection" in zizmor(file).stdout
    gates = dict(lint.gates(tmp_path))
    for gate in ("actionlint", "zizmor of the documentation"):
        assert {str(tmp_path / one.write_to(tmp_path).name) for one in DOCUMENTED} <= set(gates[gate])


@pytest.mark.thorough
@pytest.mark.parametrize("workflow", DOCUMENTED, ids=where)
def test_the_linters_are_content_with_a_documented_workflow(workflow: DocumentedWorkflow, tmp_path: Path) -> None:
    file = workflow.write_to(tmp_path)
    for done in (linted("actionlint", str(file)), zizmor(file)):
        assert done.returncode == 0, done.stdout


def test_every_reference_to_the_action_names_this_version() -> None:
    files = [*OURS.glob("*.yml"), *(TOP / page for page in PAGES)]
    named = {str(file.relative_to(TOP)): set(REFERENCE.findall(file.read_text())) for file in files}
    assert {name: tags for name, tags in named.items() if tags} == {
        name: {f"v{VERSION}"}
        for name in (
            ".github/workflows/check.yml",
            ".github/workflows/report.yml",
            "README.md",
            "docs/fit.md",
            "docs/history.md",
            "docs/integrations.md",
            "docs/manifests.md",
            "docs/pull-requests.md",
            "docs/reports.md",
        )
    }


@pytest.mark.parametrize("file", CALLED, ids=lambda file: file.name)
def test_a_workflow_to_call_has_the_inputs_of_the_action_with_its_defaults(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    inputs = workflow[True]["workflow_call"]["inputs"]  # YAML 1.1: "on" is a truth
    of_the_job = {"runs-on", "timeout-minutes", "creep"}
    given = {name: _as_text(one["default"]) for name, one in inputs.items() if name not in of_the_job}
    assert given == {name: ACTION["inputs"][name]["default"] for name in given}
    (job,) = workflow["jobs"].values()
    passed = {value for step in job["steps"] for value in step.get("with", {}).values()}
    assert {f"${{{{ inputs.{name} }}}}" for name in given} <= passed
    (ours,) = (step for step in job["steps"] if step["uses"].startswith("membudget/"))
    assert set(ours["with"]) <= set(ACTION["inputs"])
    about_history = {name for name in ours["with"] if "history" in name}
    assert about_history == ({"history"} if file.name == "check.yml" else {"history", "record-history"})


def test_who_runs_strangers_code_holds_no_token_that_writes_and_who_holds_one_checks_out_no_strangers_code() -> None:
    check, report = (yaml.safe_load(file.read_text()) for file in CALLED)
    assert check["permissions"] == {}
    assert [job["permissions"] for job in check["jobs"].values()] == [{"contents": "read"}]
    (measuring,) = (step for step in check["jobs"]["memory"]["steps"] if step["uses"].startswith("membudget/"))
    assert measuring["with"]["github-token"] == "${{ inputs.creep && github.token || '' }}", "it may only read"
    checkout, reporting = report["jobs"]["report"]["steps"]
    assert reporting["with"]["command"] == "report"
    assert checkout["if"] == "${{ inputs.record-history && github.event.workflow_run.event == 'push' }}"
    assert "ref" not in checkout["with"], "so it is the default branch"
    assert "permissions" not in report, "a right that the caller does not give makes the call invalid"


@pytest.mark.thorough
def test_nothing_of_an_event_reaches_a_script() -> None:
    for file in OURS.glob("*.yml"):
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []


def _as_text(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


OWN_MEANING = {("check.yml", "artifact"): "the name to keep the report under, where the action's is that to read"}


@pytest.mark.parametrize("file", CALLED, ids=lambda file: file.name)
def test_an_input_that_is_handed_on_is_described_as_the_actions(file: Path) -> None:
    """More may follow: what the input means in this half."""
    called = yaml.load(file.read_text(), yaml.BaseLoader)["on"]["workflow_call"]
    said = {
        name: one["description"]
        for name, one in called["inputs"].items()
        if name in ACTION["inputs"] and (file.name, name) not in OWN_MEANING
    }
    of_action = {name: ACTION["inputs"][name]["description"].removeprefix("For report. ") for name in said}
    assert len(said) > 4
    assert {name: text[: len(of_action[name])] for name, text in said.items()} == of_action
    outputs = {name: one["description"] for name, one in called.get("outputs", {}).items()}
    assert {name: ACTION["outputs"][name]["description"].partition(" Each image")[0] for name in outputs} == outputs
