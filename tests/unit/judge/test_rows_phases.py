"""Budgets of single phases: judged by the phase's own peaks, beside those of the whole trial."""

from dataclasses import replace

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.image import judge_image
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, SideMeasurement
from membudget.judge.metric import Verdict
from membudget.report.table import table_rows
from tests.support.builders import image, phase, report, side, trial
from tests.support.said import reasons_of


def measured(burst: float) -> SideMeasurement:
    one = replace(trial(200), phases=(phase("steady", 0, 100, 40, 44), phase("burst", 100, 100, burst, burst + 4)))
    return side(one, one, one)


def with_budgets(
    head: SideMeasurement, base: SideMeasurement | None = None, **of_burst: EffectiveBudget
) -> ImageMeasurement:
    budgets = {"burst": {Metric[name.upper()]: budget for name, budget in of_burst.items()}}
    return replace(image(head=head, base=base), phase_budgets=budgets)


def test_a_phase_over_its_maximum_fails_and_says_which() -> None:
    judged = judge_image(with_budgets(measured(100), peak_rss=EffectiveBudget(90 * MIB)))
    assert judged.verdict is Verdict.FAIL
    assert reasons_of(judged) == ["peak RSS (burst) is 10.0 MiB over max 90.0 MiB"]
    assert judge_image(with_budgets(measured(90), peak_rss=EffectiveBudget(90 * MIB))).verdict is Verdict.PASS


def test_growth_of_a_phase_is_over_the_same_phase_of_base() -> None:
    grown = EffectiveBudget(tolerance=Tolerance(10, MIB))
    judged = judge_image(with_budgets(measured(100), measured(60), peak_memory=grown))
    assert judged.verdict is Verdict.FAIL
    assert reasons_of(judged)[0].startswith("peak memory (burst) grew by 40.0 MiB (+62.5%)")
    assert judge_image(with_budgets(measured(62), measured(60), peak_memory=grown)).verdict is Verdict.PASS


def test_a_phase_that_was_not_reached_is_inconclusive() -> None:
    judged = judge_image(with_budgets(side(trial(40)), peak_rss=EffectiveBudget(90 * MIB)))
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "no trial reached the phase burst" in reasons_of(judged)[0]
    failed = side(failure=Failure(FailureStage.WORKLOAD, "it fell over"))
    assert reasons_of(judge_image(with_budgets(failed, peak_rss=EffectiveBudget(90 * MIB)))) == ["it fell over"]


def test_it_has_a_row_of_its_own() -> None:
    made = report(with_budgets(measured(100), peak_rss=EffectiveBudget(90 * MIB)))
    rows = table_rows(made.judged())
    (row,) = (row for row in rows if row.metric == "peak RSS (burst)")
    assert (row.head, row.budget, row.headroom, row.status) == (
        "100.0 MiB",
        "max 90.0 MiB",
        "over max by 10.0 MiB",
        "❌ over budget",
    )
    assert row.needs_attention
