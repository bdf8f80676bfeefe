"""How many trials there were, in words."""

from dataclasses import replace

import pytest

from membudget.budgets.rules import EffectiveBudget
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.judge.measurement import ImageMeasurement
from membudget.report.details import compared_in_short
from membudget.report.trial_counts import trials_in_words
from tests.support.builders import image, report, side, trial


def measured(base: int, head: int, rss: tuple[float, ...] = (40,)) -> ImageMeasurement:
    allowed = {Metric.PEAK_RSS: EffectiveBudget(96 * MIB)}
    heads = [trial(rss[number % len(rss)]) for number in range(head)]
    made = image(base=side(*(trial(40) for _ in range(base))), head=side(*heads), allowed=allowed, limit=256)
    return replace(made, planned_trials=3)


TOO_FEW = "the first 3 were too few for 99 % confidence in peak RSS"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (measured(3, 3), "3 trials a side after a discarded warm-up, median"),
        (measured(1, 1), "1 trial a side after a discarded warm-up"),
        (measured(0, 0), "no trials"),
        (measured(3, 1), "3 trials of the base, 1 trial of the head, after a discarded warm-up, median"),
        (
            measured(5, 5, (90, 100, 95)),
            f"5 trials a side after a discarded warm-up, median; {TOO_FEW}",
        ),
    ],
)
def test_more_trials_than_planned_have_a_reason(made: ImageMeasurement, words: str) -> None:
    assert trials_in_words(made) == words


def test_the_short_line_says_why_the_numbers_differ() -> None:
    quiet, open_ = measured(3, 3), measured(5, 5, (90, 100, 95))
    assert " · 3 trials a side · " in compared_in_short(report(quiet)).as_text()
    said = compared_in_short(report(quiet, open_)).as_text()
    assert " · 3 to 5 trials a side, with extra trials for unclear results · " in said
