"""Why there are more trials than planned."""

from dataclasses import replace

import pytest

from membudget.budgets.rules import EffectiveBudget
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.more_trials import more_trials
from tests.support.builders import image, side, trial


def measured(*head: float, planned: int | None = 3, maximum: float = 96) -> ImageMeasurement:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(round(maximum * MIB))}
    made = image(base=side(*(trial(40) for _ in head)), head=side(*map(trial, head)), allowed=allowed, limit=256)
    return replace(made, planned_trials=planned)


def test_the_figures_that_the_planned_trials_left_open_are_the_reason() -> None:
    more = more_trials(measured(90, 100, 95, 90, 91))
    assert more is not None
    assert (more.planned, [row.metric for row in more.rows], more.soak) == (3, [Metric.PEAK_RSS], False)


@pytest.mark.parametrize(
    "made",
    [
        measured(90, 100, 95),  # as many as planned
        measured(90, 100, 95, 90, 91, planned=None),  # an older report
        measured(90, 100, 95, 90, 91, planned=-1),  # no report of ours
        measured(40, 41, 40, 40),  # a warm-up that counts: three trials were enough
        replace(measured(90, 100, 95, 90, 91), is_unchanged=True),
        replace(measured(90, 100, 95, 90, 91), head=None),
    ],
)
def test_otherwise_there_is_no_reason(made: ImageMeasurement) -> None:
    assert more_trials(made) is None


def test_trials_without_figures_are_no_crash() -> None:
    made = measured(90, 100, 95, 90)
    assert made.head is not None
    bare = tuple(replace(one, metrics={}) for one in made.head.trials)
    assert more_trials(replace(made, head=replace(made.head, trials=bare))) is None
