from pathlib import Path

import pytest

from membudget.manifests.yaml_text import InvalidYaml
from membudget.setup.workflow_files import (
    LARGEST_WORKFLOW_BYTES,
    UnreadableWorkflow,
    UseKind,
    WorkflowFile,
    WorkflowUse,
    is_workflow,
    parse_workflow,
    read_workflow,
    read_workflows,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WORKFLOW = f"""\
name: Memory
on:
  pull_request:
    branches: [main]
  merge_group:
permissions: {{}}
jobs:
  memory:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      pull-requests: write # comments
    steps:
      - uses: actions/checkout@v6
        with:
          fetch-depth: 0
      - run: make
      - uses: membudget/membudget@{COMMIT} # v0.1.0
        with:
          comment: failures
          jobs: 2
"""


def parsed(text: str) -> WorkflowFile:
    return parse_workflow(text, ".github/workflows/memory.yml")


def only_use(text: str) -> WorkflowUse:
    (use,) = parsed(text).uses
    return use


def step(line: str) -> str:
    return f"on: push\njobs:\n  a:\n    steps:\n      - {line}\n"


def write(top: Path, path: str, text: str | bytes) -> None:
    (top / path).parent.mkdir(parents=True, exist_ok=True)
    (top / path).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_a_step_that_uses_the_action_is_found_with_what_surrounds_it() -> None:
    file = parsed(WORKFLOW)
    (use,) = file.uses
    assert (use.kind, use.ref, use.version_comment, use.is_pinned) == (UseKind.ACTION, COMMIT, "v0.1.0", True)
    assert (use.what.line, use.what.column) == (18, 15)
    assert (use.value("comment"), use.value("jobs"), use.value("base")) == ("failures", "2", None)
    jobs = use.inputs["jobs"]
    assert jobs.value is not None
    assert (jobs.name.line, jobs.name.column, jobs.value.line, jobs.value.column) == (21, 11, 21, 17)
    assert use.job.runs_on is not None
    assert (use.job.name.text, use.job.runs_on.text) == ("memory", "ubuntu-latest")
    (checkout,) = use.checkouts
    assert checkout.value("fetch-depth") == "0"
    assert file.name is not None
    assert file.name.text == "Memory"


def test_permissions_of_the_job_replace_those_of_the_workflow() -> None:
    permissions = only_use(WORKFLOW).job.permissions
    assert permissions is not None
    assert [permissions.of(scope) for scope in ("contents", "pull-requests", "checks")] == ["read", "write", "none"]
    assert permissions.line == 11
    inherited = only_use(f"permissions: read-all\n{step('uses: membudget/membudget@v1')}").job.permissions
    assert inherited is not None
    assert inherited.of("checks") == "read"


def test_where_nothing_says_permissions_they_are_unknown() -> None:
    assert only_use(step("uses: membudget/membudget@v1")).job.permissions is None


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("push", ["push"]),
        ("[push, pull_request]", ["push", "pull_request"]),
        ("\n  push:\n  pull_request:\n    types: [opened]", ["push", "pull_request"]),
    ],
)
def test_triggers_are_read_however_they_are_written(given: str, names: list[str]) -> None:
    assert list(parsed(f"on: {given}\n").triggers) == names


def test_a_trigger_keeps_its_lists() -> None:
    triggers = parsed("on:\n  workflow_run:\n    workflows: [Memory]\n    types: completed\n").triggers
    lists = triggers["workflow_run"].lists
    assert {key: [text.text for text in texts] for key, texts in lists.items()} == {
        "workflows": ["Memory"],
        "types": ["completed"],
    }


@pytest.mark.parametrize(
    ("uses", "kind", "ref"),
    [
        ("membudget/membudget@v0.1.0", UseKind.ACTION, "v0.1.0"),
        ("Fork-Of/Membudget@main", UseKind.ACTION, "main"),
        ("https://github.com/membudget/membudget@v1", UseKind.ACTION, "v1"),
        ("membudget/membudget/.github/workflows/check.yml@v1", UseKind.CHECK, "v1"),
        ("membudget/membudget/.github/workflows/report.yml@v1", UseKind.REPORT, "v1"),
    ],
)
def test_every_spelling_of_uses_is_recognised(uses: str, kind: UseKind, ref: str) -> None:
    use = only_use(step(f"uses: {uses}"))
    assert (use.kind, use.ref) == (kind, ref)


@pytest.mark.parametrize("uses", ["actions/checkout@v6", "a/membudget-x@v1", "./", "docker://membudget:1", "membudget"])
def test_other_actions_are_left_out(uses: str) -> None:
    assert parsed(step(f"uses: {uses}")).uses == ()


def test_a_job_that_calls_a_workflow_is_found() -> None:
    text = (
        "on: pull_request\njobs:\n  memory:\n    uses: membudget/membudget/.github/workflows/check.yml@v1\n"
        "    with: {jobs: '2'}\n    permissions: {contents: read}\n"
    )
    use = only_use(text)
    assert (use.kind, use.what.line, use.value("jobs"), use.job.name.text) == (UseKind.CHECK, 4, "2", "memory")


@pytest.mark.parametrize(
    ("run", "calls"),
    [
        ("run: membudget check --no-base", [("check", 5, "membudget check --no-base")]),
        ("run: |\n          make\n          uvx membudget plan --shards 2", [("plan", 7, "membudget plan --shards 2")]),
        ("run: pip install membudget && membudget check; echo", [("check", 5, "membudget check")]),
        ("run: |\n          membudget check \\\n            --no-base\n", [("check", 6, "membudget check --no-base")]),
        ("run: pip install membudget", []),
        ("run: docker run membudget:0.1.0 check", []),
        ("run: cat membudget check", []),
    ],
)
def test_calls_of_the_command_line_are_found(run: str, calls: list[tuple[str, int, str]]) -> None:
    assert [(use.command, use.what.line, use.what.text) for use in parsed(step(run)).uses] == calls


def test_only_checkouts_before_the_step_count() -> None:
    text = "on: push\njobs:\n  a:\n    steps:\n      - uses: o/membudget@v1\n      - uses: actions/checkout@v6\n"
    assert only_use(text).checkouts == ()


@pytest.mark.parametrize("ref", ["v1", "main", "0" * 40, COMMIT[:12]])
def test_only_a_whole_commit_is_a_pin(ref: str) -> None:
    assert not only_use(step(f"uses: membudget/membudget@{ref}")).is_pinned


@pytest.mark.parametrize("text", ["", "just text", "[1, 2]", "on: {}\njobs: 3\n", "jobs: {a: {steps: {b: c}}}"])
def test_what_is_no_workflow_uses_nothing(text: str) -> None:
    assert parsed(text).uses == ()


@pytest.mark.thorough
def test_aliases_cannot_multiply_jobs_and_steps() -> None:
    steps = "\n".join(["      - run: make"] * 200)
    jobs = "".join(f"  j{number}: *a\n" for number in range(200))
    with pytest.raises(InvalidYaml, match="2,000 jobs and steps"):
        parsed(f"jobs:\n  a: &a\n    steps:\n{steps}\n{jobs}")


def test_a_repository_is_searched_where_runners_look(tmp_path: Path) -> None:
    for path in (".github/workflows/a.yml", ".forgejo/workflows/b.yaml", ".github/c.yml", ".github/workflows/d.txt"):
        write(tmp_path, path, WORKFLOW)
    write(tmp_path, ".github/workflows/other.yml", "[unfinished, and no word of ours")
    found = read_workflows(tmp_path)
    assert [file.path for file in found.files] == [".github/workflows/a.yml", ".forgejo/workflows/b.yaml"]
    assert found.unreadable == ()


def test_a_repository_without_workflows_has_none(tmp_path: Path) -> None:
    assert read_workflows(tmp_path).files == ()


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        (b"# membudget\n[unfinished", "expected ',' or ']'", 2),
        (b"# membudget \xff", "not UTF-8", 1),
        (b"#" * (LARGEST_WORKFLOW_BYTES + 1), "larger than 256 KiB", 1),
    ],
)
def test_what_cannot_be_read_is_told_and_does_not_hide_the_rest(
    tmp_path: Path, content: bytes, reason: str, line: int
) -> None:
    write(tmp_path, ".github/workflows/bad.yml", content)
    write(tmp_path, ".github/workflows/good.yml", WORKFLOW)
    found = read_workflows(tmp_path)
    (unreadable,) = found.unreadable
    assert reason in unreadable.reason
    assert (unreadable.path, unreadable.line) == (".github/workflows/bad.yml", line)
    assert len(found.files) == 1


def test_nothing_outside_of_the_repository_is_read(tmp_path: Path) -> None:
    write(tmp_path, "outside.yml", WORKFLOW)
    write(tmp_path, "top/.github/workflows/a.yml", WORKFLOW)
    (tmp_path / "top/.github/workflows/link.yml").symlink_to(tmp_path / "outside.yml")
    (tmp_path / "top/.github/workflows/nowhere.yml").symlink_to("nowhere")
    (tmp_path / "top/.github/workflows/self.yml").symlink_to("self.yml")
    found = read_workflows(tmp_path / "top")
    assert len(found.files) == 1
    assert len(found.unreadable) == 3
    refused = read_workflow(tmp_path / "top", ".github/workflows/link.yml")
    assert isinstance(refused, UnreadableWorkflow)
    assert "out of the repository" in refused.reason


def test_a_path_tells_whether_it_is_a_workflow() -> None:
    assert is_workflow(".github/workflows/a.yaml")
    assert not is_workflow(".github/workflows/sub/a.yml")
    assert not is_workflow("budgets.toml")


@pytest.mark.thorough
def test_a_script_of_blank_lines_is_read_in_linear_time() -> None:
    script = "\n" * 200_000 + "          membudget check\n"
    (found,) = parse_workflow(f"on: push\njobs:\n  m:\n    steps:\n      - run: |\n{script}", "w.yml").uses
    assert found.command == "check"
