"""Growth since a release: as certain as growth over the base, and never a pass for want of figures."""

from dataclasses import replace

import pytest

from membudget.budgets.rules import Creep, EffectiveBudget, Tolerance
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.bounds import BoundKind
from membudget.judge.image import ImageJudgement, Status, judge_image
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import Inconclusive, Verdict
from membudget.judge.reasons import Excuse, GrowthNotJudged, NotMeasured, Worsened
from membudget.judge.then import Added, Then, ThenState
from membudget.report.row_words import row_label, row_sentence
from tests.support.builders import image, side, trial

FAILS = Creep("v1.2", Tolerance(10, 2 * MIB))
WARNS = replace(FAILS, warns=True)
ADDED = Added("c" * 40, "Keep sessions", 6 * MIB)


def then(*mib: float, added: tuple[Added, ...] = (ADDED,)) -> Then:
    samples = tuple(round(one * MIB) for one in mib)
    value = MetricValue.of(Metric.PEAK_RSS, sorted(samples)[len(samples) // 2])
    return Then(ThenState.FOUND, value, samples, "a" * 40, added=added)


def unknown(state: ThenState) -> Then:
    return Then(state, MetricValue.absent(Metric.PEAK_RSS, "the history cannot be fetched"))


def measured(head: tuple[float, ...], creep: Creep, found: Then | None, *, growth: bool = True) -> ImageMeasurement:
    """An image that hardly differs from its base."""
    tolerance = Tolerance(5, 2 * MIB) if growth else None
    budget = EffectiveBudget(tolerance=tolerance, creep=creep)
    made = image(
        base=side(*(trial(one - 0.5) for one in head)),
        head=side(*(trial(one) for one in head)),
        allowed={Metric.PEAK_RSS: budget},
    )
    return replace(made, then={Metric.PEAK_RSS: found} if found is not None else {})


STEADY = (50.0, 50.1, 50.2, 50.3, 50.4)


def judged(creep: Creep, found: Then | None, head: tuple[float, ...] = STEADY) -> ImageJudgement:
    return judge_image(measured(head, creep, found))


def test_growth_over_many_commits_fails_though_each_was_small() -> None:
    found = judged(FAILS, then(40, 40.1, 40.2, 40.3, 40.4))
    (row,) = found.creep
    assert (found.verdict, found.status) == (Verdict.FAIL, Status.OVER_BUDGET)
    assert [one.verdict for one in found.rows if one.metric is Metric.PEAK_RSS] == [Verdict.PASS]
    assert isinstance(row.reasons[0], Worsened)
    assert {one.bound.kind for one in row.exceeded} == {BoundKind.CREEP}
    assert row.is_settled
    assert row_label(row) == "peak RSS (since v1.2)"


def test_the_row_names_the_commits_that_added_most() -> None:
    (row,) = judged(FAILS, then(40, 40.1, 40.2, 40.3, 40.4)).creep
    said = "".join(part if isinstance(part, str) else f"<{part.text}>" for part in row_sentence(row))
    assert said == (
        "peak RSS (since v1.2) grew by 10.0 MiB (+24.9%), 6.0 MiB more than <creep> allows; most came with"
        " <cccccccccc Keep sessions> (+6.0 MiB)"
    )


def test_it_warns_where_the_budget_says_so() -> None:
    found = judged(WARNS, then(40, 40.1, 40.2, 40.3, 40.4))
    assert (found.verdict, found.status) == (Verdict.WARN, Status.WARNING)


def test_growth_within_the_budget_passes() -> None:
    found = judged(FAILS, then(48, 48.1, 48.2, 48.3, 48.4))
    assert (found.verdict, found.creep[0].verdict) == (Verdict.PASS, Verdict.PASS)
    assert found.creep[0].nearest is not None
    assert found.creep[0].nearest.kind is BoundKind.CREEP


def test_noise_is_no_growth() -> None:
    found = judged(FAILS, then(30, 40, 50, 60, 70), (35, 45, 55, 65, 75))
    assert found.creep[0].is_within_noise
    assert found.verdict is Verdict.PASS


def test_few_trials_of_then_are_certain_with_more_of_now() -> None:
    few = then(40, 40.1, 40.2)
    assert not judged(FAILS, few, STEADY[:3]).creep[0].is_settled
    assert judged(FAILS, few, STEADY).creep[0].verdict is Verdict.FAIL


@pytest.mark.parametrize("found", [None, unknown(ThenState.UNKNOWN)])
def test_a_history_that_cannot_be_used_never_passes(found: Then | None) -> None:
    answer = judged(FAILS, found)
    assert (answer.verdict, answer.inconclusive) == (Verdict.INCONCLUSIVE, Inconclusive.NOT_MEASURED)
    assert isinstance(answer.creep[0].reasons[0], NotMeasured)
    assert answer.creep[0].is_settled, "more trials would not help"


@pytest.mark.parametrize(
    ("state", "excuse"),
    [(ThenState.NO_HISTORY, Excuse.NO_HISTORY), (ThenState.EXCUSED, Excuse.HISTORY_NOT_USABLE)],
)
def test_a_first_set_up_is_possible(state: ThenState, excuse: Excuse) -> None:
    answer = judged(FAILS, unknown(state))
    assert answer.verdict is Verdict.PASS
    assert (answer.creep[0].verdict, answer.creep[0].reasons) == (None, (GrowthNotJudged(excuse),))


def test_a_warning_needs_no_history() -> None:
    assert judged(WARNS, unknown(ThenState.UNKNOWN)).verdict is Verdict.PASS


def test_a_head_without_a_figure_does_not_pass() -> None:
    made = measured(STEADY, FAILS, then(40, 40, 40), growth=False)
    assert made.head is not None
    answer = judge_image(replace(made, head=side(trial(None))))
    assert answer.verdict is Verdict.INCONCLUSIVE


def test_the_creep_of_an_image_size_is_exact() -> None:
    budget = EffectiveBudget(creep=FAILS)
    size = Then(ThenState.FOUND, MetricValue.of(Metric.IMAGE_SIZE, 80 * MIB), (), "a" * 40)
    made = image(base=side(trial(9)), head=side(trial(9), size=100), allowed={Metric.IMAGE_SIZE: budget})
    (row,) = judge_image(replace(made, then={Metric.IMAGE_SIZE: size})).creep
    assert (row.verdict, row.delta) == (Verdict.FAIL, 20 * MIB)
