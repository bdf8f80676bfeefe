"""The workflows that `init` writes: those of the documentation, which a test holds to be the same.

They name a release by its tag, because membudget cannot know the commit that it is released in. `membudget doctor` says
how to pin that commit.
"""

import json
from dataclasses import dataclass

from membudget.version import VERSION

FOLDER = ".github/workflows"
_USUAL_BUDGETS = "budgets.toml"
_TAG = f"@v{VERSION} # zizmor: ignore[unpinned-uses] (run membudget doctor to pin the commit)"

_ONE = """\
name: membudget
on:
  pull_request:
    # labeled, unlabeled: a label approves looser budgets; edited: the base branch can change
    types: [opened, synchronize, reopened, edited, labeled, unlabeled]

permissions:
  contents: read

jobs:
  memory:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    permissions:
      contents: read
      pull-requests: write # for the comment; without it everything else still works
    steps:
      - uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2
        with:
          fetch-depth: 2 # the merge commit and its parents: head and base
          persist-credentials: false
      - uses: membudget/membudget@TAG
"""

_MEASURING = """\
name: membudget
on:
  pull_request:
    types: [opened, synchronize, reopened, edited, labeled, unlabeled]
permissions: {}
jobs:
  membudget:
    permissions:
      contents: read
    uses: membudget/membudget/.github/workflows/check.yml@TAG
"""

_REPORTING = """\
name: membudget report
on:
  workflow_run: # zizmor: ignore[dangerous-triggers] nothing of the pull request is checked out or run
    workflows: [membudget]
    types: [completed]
permissions: {}
jobs:
  report:
    permissions:
      actions: read # the report that the other run left
      pull-requests: write # the comment
    cache-mode: none
    uses: membudget/membudget/.github/workflows/report.yml@TAG
"""


@dataclass(frozen=True, slots=True)
class WorkflowText:
    """A workflow to write."""

    path: str
    """The path from the top of the repository."""
    text: str


def workflow_files(budgets: str, *, fork_safe: bool) -> tuple[WorkflowText, ...]:
    """Return the workflow, or the pair that also comments on pull requests from forks.

    `budgets` is the path of the budgets file, from the top of the repository.
    """
    given = f"with:\n  budgets: {json.dumps(budgets)}\n" if budgets != _USUAL_BUDGETS else ""
    if not fork_safe:
        return (WorkflowText(f"{FOLDER}/membudget.yml", _ONE.replace("@TAG", _TAG) + _indented(given, 8)),)
    return (
        WorkflowText(f"{FOLDER}/membudget.yml", _MEASURING.replace("@TAG", _TAG) + _indented(given, 4)),
        WorkflowText(f"{FOLDER}/membudget-report.yml", _REPORTING.replace("@TAG", _TAG)),
    )


def _indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())
