"""Heads that are run by themselves as well: which settings, files and images each run takes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import Budgets, ImageSpec
from membudget.budgets.guard import Contents, rules
from membudget.budgets.loosening import Approval
from membudget.budgets.workload import ExecWorkload
from membudget.build.revision import BuiltImage, Commit
from membudget.check import check
from membudget.check.check import CheckRequest
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.measure.trial import Outcome, Trial, TrialInputs, TrialSpec
from membudget.report.report import Report
from tests.fakes.measuring_tools import FakeTools
from tests.support.builders import trial
from tests.support.silence import Silence

HEAD, BASE = Commit("a" * 40, "head"), Commit("b" * 40, "base")
SAME = Contents()


def budgets(command: str, more: str = "") -> Budgets:
    workload = f'workload = {{ kind = "exec", commands = [["{command}"]] }}'
    allowed = 'budgets.peak_rss = { max = "64MiB", growth = { percent = 5, floor = "1MiB" } }'
    text = f'version = 1\n[images.api]\nlimit = "128MiB"\ntrials = 2\n{allowed}\n{workload}\n{more}'
    return budgets_file.parse_budgets(text, "budgets.toml")


class Tools(FakeTools):
    """A head whose memory depends on the workload's command."""

    def __init__(self, by_command: Mapping[str, Callable[[], Trial]]) -> None:
        super().__init__()
        self.by_command = by_command
        self.given: list[tuple[str, Path]] = []

    def inputs(self, name: str, spec: ImageSpec, checkout: Path) -> TrialInputs:
        self.given.append((command(spec), checkout))
        return super().inputs(name, spec, checkout)

    def run_trial(self, spec: TrialSpec) -> Trial:
        super().run_trial(spec)
        return self.by_command[command(spec)]()


def command(spec: ImageSpec | TrialSpec) -> str:
    assert isinstance(spec.workload, ExecWorkload)
    return str(spec.workload.commands[0].run[0])


def run(tools: Tools, approval: Approval, head: Budgets | None = None, contents: Contents = SAME) -> Report:
    of_head, of_base = head or budgets("light"), budgets("heavy")
    request = CheckRequest(HEAD, BASE, rules(of_head, of_base, approval, contents), of_base.images, approval=approval)
    return check.run(request, tools, Silence(), "1.2.3").report


def tools(heavy: float = 70, light: float = 10) -> Tools:
    return Tools({"heavy": lambda: trial(heavy), "light": lambda: trial(light)})


@pytest.mark.parametrize("approval", [Approval.MISSING, Approval.STALE])
def test_a_weaker_workload_saves_nobody_and_is_run_as_well(approval: Approval) -> None:
    made = tools()
    report = run(made, approval)
    assert report.verdict == "fail"
    (image,) = report.images
    assert image.own is not None
    assert image.own.side.metrics[Metric.PEAK_RSS].value == 10 * MIB
    assert not image.own.counts
    assert made.given == [("heavy", Path(BASE.sha)), ("light", Path(HEAD.sha))]


@pytest.mark.parametrize("approval", [Approval.GIVEN, Approval.NOT_ASKED])
def test_an_approved_one_counts_for_maximums_and_both_sides_are_compared_by_the_bases(approval: Approval) -> None:
    made = tools()
    report = run(made, approval)
    assert report.verdict == "pass"
    (image,) = report.images
    assert image.own is not None
    assert image.own.counts
    assert {command(spec) for spec in made.specs if spec.image_id == "api base"} == {"heavy"}
    assert {command(spec) for spec in made.specs if spec.image_id == "api head"} == {"heavy", "light"}
    assert run(tools(heavy=40, light=70), approval).verdict == "fail"


def test_a_new_workload_that_cannot_run_is_a_note_until_it_counts() -> None:
    made = tools(heavy=40)
    made.by_command = {
        **made.by_command,
        "light": lambda: trial(10, outcome=Outcome.WORKLOAD_FAILED, reason="status 500"),
    }
    report = run(made, Approval.MISSING)
    assert report.verdict == "pass"
    assert any("status 500" in note for note in report.images[0].notes)
    assert run(made, Approval.GIVEN).verdict == "inconclusive"


def test_settings_that_are_the_same_cost_no_more_trials() -> None:
    made = tools()
    report = run(made, Approval.MISSING, budgets("heavy"))
    assert report.images[0].own is None
    assert len(made.specs) == 2 * (2 + 1)


def test_another_file_with_the_same_settings_is_run_from_each_checkout() -> None:
    made = tools()
    report = run(made, Approval.MISSING, budgets("heavy"), Contents(other_files={"api": ("smoke",)}))
    assert report.images[0].own is not None
    assert made.given == [("heavy", Path(BASE.sha)), ("heavy", Path(HEAD.sha))]


def test_an_image_that_is_the_same_is_run_when_its_workload_changed() -> None:
    made = tools(heavy=40, light=70)
    made.build = lambda *_: BuiltImage("same", "tag", "same")  # type: ignore[method-assign]
    assert run(made, Approval.NOT_ASKED).verdict == "fail"
    assert run(made, Approval.MISSING).verdict == "pass"
