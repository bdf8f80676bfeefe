from collections.abc import Callable

import pytest

from membudget.core.untrusted_text import Quoted
from membudget.setup.doctor import CheckFinding, CheckState
from membudget.setup.doctor_repository import (
    fetch_depth_finding,
    forks_finding,
    permissions_finding,
    pins_finding,
    triggers_finding,
    workflows_finding,
)
from membudget.setup.workflow_files import UnreadableWorkflow, Workflows, parse_workflow
from membudget.setup.workflow_rules import complaints
from membudget.setup.workflow_text import workflow_files
from tests.support.findings import said

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TYPES = "[opened, synchronize, reopened, edited, labeled, unlabeled]"
OK, WARNING, FAILED, SKIPPED = CheckState
ONE = f"""\
name: membudget
on:
  pull_request:
    types: {TYPES}
permissions: {{}}
jobs:
  memory:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      pull-requests: write
    steps:
      - uses: actions/checkout@v6
        with:
          fetch-depth: 2
      - uses: membudget/membudget@{COMMIT} # v0.1.0
"""
CHECK = f"""\
name: membudget
on:
  pull_request:
    types: {TYPES}
jobs:
  membudget:
    permissions:
      contents: read
    uses: membudget/membudget/.github/workflows/check.yml@{COMMIT} # v0.1.0
"""
REPORT = f"""\
name: membudget report
on:
  workflow_run:
    workflows: [membudget]
    types: [completed]
jobs:
  report:
    permissions:
      actions: read
      pull-requests: write
    uses: membudget/membudget/.github/workflows/report.yml@{COMMIT} # v0.1.0
"""
CALLED = ONE.replace("pull_request:", "workflow_call:").replace(f"\n    types: {TYPES}", "")


def workflows(*texts: str) -> Workflows:
    names = ("one.yml", "two.yml", "three.yml")
    return Workflows(tuple(parse_workflow(text, name) for text, name in zip(texts, names, strict=False)))


def pins(found: Workflows) -> CheckFinding:
    return pins_finding(found, "0.1.0")


ALL = (triggers_finding, fetch_depth_finding, permissions_finding, pins, forks_finding)


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize("texts", [(ONE,), (CHECK, REPORT), (CALLED,)], ids=["one", "two", "called"])
def test_the_documented_workflows_are_fine(check: Callable[[Workflows], CheckFinding], texts: tuple[str, ...]) -> None:
    assert said(lambda: check(workflows(*texts)))[0] is OK


@pytest.mark.parametrize("fork_safe", [False, True])
def test_the_workflows_that_init_writes_are_fine(*, fork_safe: bool) -> None:
    written = workflows(*(file.text for file in workflow_files("budgets.toml", fork_safe=fork_safe)))

    assert {check(written).state for check in ALL} == {OK}
    assert list(complaints(written)) == [], "validate has nothing to warn of, either"


@pytest.mark.parametrize("check", ALL)
def test_without_workflows_there_is_nothing_to_look_at(check: Callable[[Workflows], CheckFinding]) -> None:
    assert said(lambda: check(Workflows())) == (SKIPPED, "no workflow uses membudget", "")


def test_the_files_that_use_membudget_are_named() -> None:
    broken = UnreadableWorkflow("broken.yml", "mapping values are not allowed here", 3, 7)

    assert said(lambda: workflows_finding(workflows(CHECK, REPORT))) == (OK, "one.yml, two.yml", "")
    assert said(lambda: workflows_finding(Workflows())) == (
        WARNING,
        "no workflow uses membudget",
        "membudget init writes one",
    )
    state, seen, _ = said(lambda: workflows_finding(Workflows(workflows(ONE).files, (broken,))))
    assert (state, seen) == (FAILED, "one.yml; broken.yml:3 cannot be read: mapping values are not allowed here")


@pytest.mark.parametrize(
    ("texts", "state", "seen"),
    [
        ((ONE.replace(f"\n    types: {TYPES}", ""),), WARNING, "one.yml:3 a label that approves looser budgets"),
        ((ONE.replace("opened, synchronize", "opened"),), FAILED, "not checked when they are synchronize"),
        ((ONE.replace(TYPES, "[labeled]"),), FAILED, "not checked when they are opened or synchronize"),
        ((ONE.replace("pull_request:", "pull_request_target:"),), FAILED, "one.yml:3 pull_request_target gives"),
        ((ONE.replace("pull_request:", "push:"),), WARNING, "one.yml:16 does not start on pull_request"),
        ((ONE.replace("    types", "    paths: [api/**]\n    types"),), WARNING, "a path filter leaves a required"),
        ((REPORT.replace("workflow_run:", "push:"),), FAILED, "does not start on workflow_run"),
    ],
)
def test_the_triggers(texts: tuple[str, ...], state: CheckState, seen: str) -> None:
    told = said(lambda: triggers_finding(workflows(*texts)))
    assert told[0] is state
    assert seen in told[1]


@pytest.mark.parametrize(
    ("text", "state", "seen", "fix"),
    [
        (ONE.replace("fetch-depth: 2", "fetch-depth: 0"), OK, "every checkout brings the base", ""),
        (ONE.replace("fetch-depth: 2", "fetch-depth: ${{ inputs.depth }}"), OK, "every checkout brings the base", ""),
        (
            ONE.replace("        with:\n          fetch-depth: 2\n", ""),
            FAILED,
            "one.yml:13 the checkout has one commit, and lacks the base",
            "give it `fetch-depth: 2`",
        ),
        (
            ONE.replace("fetch-depth: 2", "ref: main"),
            FAILED,
            "one.yml:13 the checkout has one commit, and lacks the base",
            "give it `fetch-depth: 0`",
        ),
        (
            ONE.replace("permissions: {}", "  merge_group:"),
            WARNING,
            "one.yml:13 on merge_group, the base may need more than 2 commits",
            "give it `fetch-depth: 0`",
        ),
        (
            ONE.replace("fetch-depth: 2", "fetch-depth: 2\n          ref: main"),
            WARNING,
            "one.yml:13 a checkout with `ref` may need more than 2 commits",
            "give it `fetch-depth: 0`",
        ),
        (
            f"{ONE}        with:\n          command: backfill\n",
            FAILED,
            "one.yml:13 the checkout lacks commits that the history is about",
            "give it `fetch-depth: 0`",
        ),
        (
            f"{ONE}        with:\n          command: backfill\n".replace("fetch-depth: 2", "fetch-depth: 0"),
            OK,
            "every checkout brings the base",
            "",
        ),
        (
            ONE.replace("actions/checkout", "actions/setup-python"),
            FAILED,
            "one.yml:16 no step before it checks the repository out",
            "add actions/checkout",
        ),
        (
            ONE.replace(f"uses: membudget/membudget@{COMMIT} # v0.1.0", "run: membudget plan --shards 2"),
            OK,
            "every checkout brings the base",
            "",
        ),
    ],
)
def test_the_depth_of_the_clone(text: str, state: CheckState, seen: str, fix: str) -> None:
    assert said(lambda: fetch_depth_finding(workflows(text))) == (state, seen, fix)


NO_COMMENT = f"{ONE}        with:\n          comment: 'off'\n"
RIGHTS = "    permissions:\n      contents: read\n      pull-requests: write\n"
READ_ONLY = ONE.replace("      pull-requests: write\n", "")


@pytest.mark.parametrize(
    ("texts", "state", "seen"),
    [
        ((ONE.replace("      contents: read\n", ""),), FAILED, "one.yml:10 the job lacks contents: read"),
        ((READ_ONLY,), WARNING, "one.yml:10 the job lacks pull-requests: write"),
        ((READ_ONLY + "        with:\n          comment: 'off'\n",), OK, "every job has the rights that it needs"),
        ((READ_ONLY, REPORT), OK, "every job has the rights that it needs"),
        ((READ_ONLY + "        with:\n          shard: 1/2\n",), OK, "every job has the rights that it needs"),
        ((NO_COMMENT,), OK, "every job has the rights that it needs"),
        ((f"{ONE}        with:\n          status: status\n",), WARNING, "one.yml:10 the job lacks statuses: write"),
        (
            (f'{ONE}        with:\n          record-history: "true"\n',),
            FAILED,
            "one.yml:10 the job lacks contents: write",
        ),
        (
            (f"{ONE}        with:\n          command: backfill\n",),
            FAILED,
            "one.yml:10 the job lacks contents: write",
        ),
        ((f"{ONE}        with:\n          status: check\n",), WARNING, "one.yml:10 the job lacks checks: write"),
        (
            (ONE.replace("permissions: {}\n", "").replace(RIGHTS, ""),),
            WARNING,
            "no permissions are set, so the repository's setting counts",
        ),
        (
            (ONE.replace(RIGHTS, "    permissions: write-all\n"),),
            WARNING,
            "write-all gives the job more than it needs",
        ),
        (
            (CHECK.replace("contents: read", "contents: read\n      pull-requests: write"), REPORT),
            WARNING,
            "the job runs the pull request's code, and may write pull-requests",
        ),
        ((CHECK, REPORT.replace("actions: read", "actions: none")), FAILED, "two.yml:9 the job lacks actions: read"),
    ],
)
def test_the_rights(texts: tuple[str, ...], state: CheckState, seen: str) -> None:
    told = said(lambda: permissions_finding(workflows(*texts)))
    assert told[0] is state
    assert seen in told[1]


@pytest.mark.parametrize(
    ("text", "state", "seen"),
    [
        (ONE, OK, "pinned by commit: v0.1.0"),
        (ONE.replace("v0.1.0", "v0.0.9"), OK, "pinned by commit: v0.0.9, and this is v0.1.0"),
        (ONE.replace(f"{COMMIT} # v0.1.0", COMMIT), OK, "pinned by commit: a commit, and this is v0.1.0"),
        (
            ONE.replace(COMMIT, "v0.1.0"),
            OK,
            "named by a release's tag; git ls-remote https://github.com/membudget/membudget v0.1.0 prints the commit",
        ),
        (ONE.replace(COMMIT, "main"), WARNING, "@main is no release: what it names changes"),
        (ONE.replace(COMMIT, "v1"), WARNING, "@v1 is no release: what it names changes"),
        (ONE.replace(COMMIT, "0" * 40), FAILED, "the zeros are a placeholder for a commit"),
        (
            ONE.replace(f"uses: membudget/membudget@{COMMIT} # v0.1.0", "run: membudget check"),
            OK,
            "no workflow names a version",
        ),
    ],
)
def test_the_version_that_is_named(text: str, state: CheckState, seen: str) -> None:
    told = said(lambda: pins(workflows(text)))
    assert told[0] is state
    assert seen in told[1]


@pytest.mark.parametrize(
    ("texts", "state", "seen"),
    [
        ((ONE,), OK, "one workflow: pull requests from forks are checked, but get no comment"),
        ((CHECK, REPORT), OK, "what one workflow measures, another one posts"),
        ((CHECK,), WARNING, "one.yml:9 nothing posts what it measures"),
        ((REPORT,), FAILED, "one.yml:11 no workflow measures what it would post"),
        (
            (CHECK, REPORT.replace("[membudget]", "[ci, memory]")),
            FAILED,
            "two.yml:3 it waits for ci, memory, but the workflow that measures is called membudget",
        ),
        (
            (CHECK, REPORT.replace(COMMIT, COMMIT[::-1])),
            WARNING,
            "two.yml:11 it is of another version than the workflow that measures",
        ),
        (
            (CHECK, f"{REPORT}    with:\n      artifact: other\n"),
            FAILED,
            "it reads the artifact other, but the other workflow keeps membudget-report",
        ),
        (
            (f"{CHECK}    with:\n      artifact: other\n", f"{REPORT}    with:\n      artifact: other\n"),
            OK,
            "what one workflow measures, another one posts",
        ),
        (
            (
                CHECK,
                ONE.replace("pull_request:", "workflow_run:\n    workflows: [membudget]").replace(TYPES, "[completed]")
                + "        with:\n          command: report\n",
            ),
            FAILED,
            "the job with the write token checks out code",
        ),
    ],
)
def test_both_halves_for_forks(texts: tuple[str, ...], state: CheckState, seen: str) -> None:
    told = said(lambda: forks_finding(workflows(*texts)))
    assert told[0] is state
    assert seen in told[1]


def test_names_of_events_and_files_are_quoted_and_bounded() -> None:
    event = '"\\e[31m\\nx"'
    text = ONE.replace("on:\n", f"on:\n  {event}: {{}}\n", 1)
    finding = triggers_finding(workflows(text))
    assert Quoted("\x1b[31m\nx") in finding.seen
    many = workflows_finding(Workflows(workflows(ONE).files * 30))
    assert many.seen[-1] == " and 20 more"


def test_many_complaints_are_counted_with_the_gravest_first() -> None:
    step = f"      - uses: membudget/membudget@v1\n      - uses: membudget/membudget@{'0' * 40}\n"

    state, seen, fix = said(lambda: pins(workflows(ONE + 3 * step)))

    assert state is FAILED
    assert seen.startswith("one.yml:18 the zeros")
    assert seen.endswith("; and 3 more")
    assert fix.startswith("write the commit of a release")
