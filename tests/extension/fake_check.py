"""Checks without an engine, in an extended copy of the tree: `python -m tests.extension.fake_check BUDGETS REPORT ...`.

Both sides of a check have the budgets file BUDGETS. What is built and measured is what tests/fakes and tests/support
make up.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets
from membudget.budgets.guard import rules
from membudget.budgets.loosening import Approval
from membudget.build.revision import Commit
from membudget.check import check
from membudget.check.check import CheckRequest
from membudget.measure.trial import Trial
from membudget.publish.report_file import write_report
from membudget.version import VERSION
from tests.fakes.measuring_tools import FakeTools
from tests.support.silence import Silence


def write_checked(budgets: Path, report: Path, trials: Mapping[str, Callable[[], Trial]] | None = None) -> None:
    """Check every image of a budgets file, and write the report. `trials`: what a trial gives, by "image head"."""
    images = budgets_file.parse(budgets.read_text(), str(budgets))
    tools = FakeTools()
    tools.trials |= trials or {}
    judged_by = rules(Budgets(images), Budgets(images), Approval.NOT_ASKED)
    request = CheckRequest(Commit("a" * 40, "head"), Commit("b" * 40, "base"), judged_by, images)
    write_report(check.run(request, tools, Silence(), VERSION).report, report)


if __name__ == "__main__":
    for _budgets, _report in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        write_checked(Path(_budgets), Path(_report))
