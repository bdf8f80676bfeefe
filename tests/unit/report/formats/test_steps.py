"""Proven steps in words, and which figures prove one."""

import io
from dataclasses import replace

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from rich.console import Console

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.history.step_line import StepOutcome
from membudget.history.steps import SuspectedStep
from membudget.report.formats.steps import ListedStep, render_markdown, render_table, render_text
from membudget.report.report import Report
from membudget.report.step_words import step_title
from membudget.report.steps_report import StepReport, proven
from tests.support.builders import image, report, side, throughput, trial
from tests.support.golden import assert_golden
from tests.support.history import MACHINE
from tests.support.proven_steps import HOSTILE, commits, comparison, step, told
from tests.unit.history.test_step_line import searched


def test_a_step_of_one_commit_in_words() -> None:
    one = told(step())
    assert step_title([one]) == "api: peak RSS grew by 8.0 MiB with commit 000000000000"
    assert_golden("step.md", render_markdown(one))
    assert_golden("step.txt", f"{render_text(one)}\n")


def test_a_commit_that_changed_several_metrics_has_one_title() -> None:
    one, other = told(step()), told(step().model_copy(update={"metric": Metric.SETTLED_RSS, "report": of_all()}))
    title = "api: peak RSS grew by 8.0 MiB (also settled RSS) with commit 000000000000"
    assert step_title([one, other]) == title


def of_all() -> Report:
    """A comparison that was judged by the settled RSS."""
    made = comparison()
    allowed = {Metric.SETTLED_RSS: EffectiveBudget(tolerance=Tolerance(0.0, MIB))}
    return made.model_copy(update={"images": (replace(made.images[0], budgets=allowed),)})


def test_a_step_among_commits_that_do_not_build() -> None:
    one = told(step(3, 6, skipped=(4, 5)))
    assert step_title([one]) == "api: peak RSS grew by 8.0 MiB between 000000000000 and 000000000000"
    assert_golden("step-skipped.md", render_markdown(one))


def test_growth_that_is_spread_over_commits() -> None:
    assert "No single commit did it: the growth is spread over 5 commits." in render_text(told(step(1, 6)))
    assert "No single commit did it" in render_text(told(step(1, 6, skipped=(4,))))


@pytest.mark.parametrize(("mib", "is_all"), [(8, True), (6, True), (4, False)])
def test_a_commit_that_did_a_part_of_the_step_says_so(mib: float, is_all: bool) -> None:
    words = "The history shows 8.0 MiB in all near this commit. Other commits may have done the rest."
    assert (words not in render_text(told(step(mib=mib)))) is is_all


def test_text_of_others_stays_text() -> None:
    one = told(step(), HOSTILE)
    shown = github_flavored_markdown_to_html(render_markdown(one))
    assert "<script>" not in shown
    assert "<img" not in shown
    assert shown.count("<!-- raw HTML omitted -->") == 2, "the section that folds, and no other HTML"
    assert "@octo" not in step_title([one])
    assert "\u202e" not in render_text(one)
    assert "\n::error" not in render_text(one)


def test_less_throughput_is_a_drop() -> None:
    sides = [side(*(throughput(rate + number) for number in range(5))) for rate in (200, 150)]
    allowed = {Metric.REQUESTS_PER_SECOND: EffectiveBudget(tolerance=Tolerance(0.0, 1000))}
    made = comparison()
    made = made.model_copy(update={"images": (image(base=sides[0], head=sides[1], allowed=allowed),)})
    one = step().model_copy(update={"metric": Metric.REQUESTS_PER_SECOND, "report": made})
    text = render_text(told(one))
    assert "fell from 202/s to 152/s (-24.8%)" in text
    assert "With 99 % confidence, the drop is between 46.0/s and 54.0/s." in text


def test_sizes_of_images_are_exact() -> None:
    made = comparison()
    base, head = side(trial(), size=100), side(trial(), size=150)
    allowed = {Metric.IMAGE_SIZE: EffectiveBudget(tolerance=Tolerance(0.0, MIB))}
    made = made.model_copy(update={"images": (image(base=base, head=head, allowed=allowed),)})
    text = render_text(told(step().model_copy(update={"metric": Metric.IMAGE_SIZE, "report": made})))
    assert "grew from 100.0 MiB to 150.0 MiB (+50.0%)" in text
    assert "The growth is 50.0 MiB. The value is exact." in text


def forged(**changes: object) -> StepReport:
    return step().model_copy(update=changes)


@pytest.mark.parametrize(
    "one",
    [
        step(mib=0),
        step(mib=1),
        forged(report=None),
        forged(outcome=StepOutcome.NOT_CONFIRMED),
        forged(report=comparison(3, 5)),
        forged(report=comparison(4, 6)),
        forged(report=comparison(trials=3)),
        forged(report=report(no_base="none")),
        forged(image="web"),
        forged(metric=Metric.LIVE_HEAP),
        forged(metric=Metric.OOM_KILLS),
    ],
)
def test_figures_that_do_not_prove_a_step_are_not_told(one: StepReport) -> None:
    assert proven(one) is None


@pytest.mark.parametrize("metric", [one for one in Metric if one not in IMAGE_METRICS])
def test_a_value_without_trials_proves_nothing(metric: Metric) -> None:
    """A stranger may write any value of a side."""
    known = comparison(trials=1)
    sides = {
        name: replace(known.images[0].sides[place], metrics={metric: MetricValue.of(metric, value)}, trials=())
        for place, (name, value) in enumerate([("base", 1_000_000), ("head", 2_000_000)])
    }
    for before, after in (sides.values(), reversed(sides.values())):
        one = replace(
            known.images[0], base=before, head=after, budgets={metric: EffectiveBudget(tolerance=Tolerance(0, 0))}
        )
        forged = known.model_copy(update={"images": (one,)})
        assert proven(step().model_copy(update={"metric": metric, "report": forged})) is None


def test_subjects_come_from_the_clone_also_in_the_details() -> None:
    """The file names other ones."""
    assert "Load the whole catalogue" in render_markdown(told(step(), "Load the whole catalogue"))
    assert "Commit 5" not in render_markdown(told(step(), "Load the whole catalogue"))


def test_the_budgets_of_the_file_decide_nothing_else() -> None:
    """A maximum, an exception or a verdict in a forged file do not make noise a step."""
    made = comparison(mib=0)
    budget = EffectiveBudget(max=MIB, tolerance=Tolerance(0.0, -100 * MIB))
    (measured,) = made.images
    measured = replace(measured, budgets={Metric.PEAK_RSS: budget})
    assert proven(forged(report=made.model_copy(update={"images": (measured,)}))) is None


def test_suspected_steps_are_listed_with_what_came_of_them() -> None:
    branch = commits()
    places = (branch[4], branch[5], 40 * MIB, 48 * MIB, 0.001, branch[0], branch[7])
    worse = SuspectedStep("api", Metric.PEAK_RSS, MACHINE, *places)
    better = replace(worse, value_before=48 * MIB, value_after=40 * MIB)
    outcomes = [searched(4, 5, outcome) for outcome in StepOutcome]
    listed = [ListedStep(worse, None), *(ListedStep(worse, one) for one in outcomes), ListedStep(better, None)]
    console = Console(file=io.StringIO(), width=160)
    console.print(render_table(listed))
    assert isinstance(console.file, io.StringIO)
    assert_golden("steps-table.txt", console.file.getvalue())
