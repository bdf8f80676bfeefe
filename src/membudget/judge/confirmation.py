"""Decides whether fresh trials confirm reused ones, which a stranger may have written.

A pull request can write to its own cache. A forged file may contain any figures, and may spread them so widely that
every fresh figure fits among them. So there are two conditions for reused trials to count: the fresh figures lie near
them, and the fresh trials alone lead to the same verdict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from membudget.budgets.rules import EffectiveBudget, ImageRules, Tolerance
from membudget.build.revision import Side
from membudget.core.definition import Unit
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import MIB
from membudget.judge.bounds import tolerated_growth
from membudget.judge.measurement import Failure, SettingsChange, settings_change
from membudget.judge.metric import Verdict
from membudget.judge.values import phase_summaries
from membudget.measure.trial import Trial

_USUAL = {
    Unit.BYTES: Tolerance(5, 2 * MIB),
    Unit.MILLISECONDS: Tolerance(50, 500),
    Unit.MICROSECONDS: Tolerance(50, 500_000),
    Unit.PER_1000_SECONDS: Tolerance(50, 0),
    Unit.PER_1000_SECONDS_AND_GIB: Tolerance(50, 0),
    Unit.COUNT: Tolerance(0, 0),
}
"""How far a fresh figure may be off if the budget has no tolerance."""

SideTrials = Mapping[Side, Sequence[Trial | Failure]]


@dataclass(frozen=True, slots=True)
class FreshTrialFailed:
    """A fresh trial of a side failed."""

    side: Side


@dataclass(frozen=True, slots=True)
class FigureMissing:
    """Either the fresh or the remembered trials lack a figure."""

    side: Side
    metric: Metric
    phase: str | None


@dataclass(frozen=True, slots=True)
class FigureDiffers:
    """A fresh figure does not fit among the remembered ones."""

    side: Side
    metric: Metric
    phase: str | None
    fresh: int
    remembered: tuple[int, int]
    """The range of the remembered figures."""


@dataclass(frozen=True, slots=True)
class OtherVerdict:
    """Fresh trials alone lead to another verdict than together with the remembered ones."""

    fresh_alone: Verdict
    together: Verdict


Contradiction = FreshTrialFailed | FigureMissing | FigureDiffers | SettingsChange | OtherVerdict


def contradiction(remembered: SideTrials, fresh: SideTrials, rules: ImageRules) -> Contradiction | None:
    """Return the first contradiction between fresh and remembered trials of a side. None if there is none.

    All metrics with a budget are compared, of whole trials and of phases. A fresh figure must lie within the range of
    the remembered ones, extended at both ends by the tolerance or by the width of the range, whichever is larger.
    """
    found = (problem for side, trials in fresh.items() for problem in _problems(side, remembered[side], trials, rules))
    return next(found, None)


def other_verdict(fresh_alone: Verdict, together: Verdict) -> OtherVerdict | None:
    """Return both verdicts if fresh trials alone lead to another one than with the remembered trials.

    None otherwise.
    """
    return OtherVerdict(fresh_alone, together) if fresh_alone is not together else None


def _problems(
    side: Side, remembered: Sequence[Trial | Failure], fresh: Sequence[Trial | Failure], rules: ImageRules
) -> Iterator[Contradiction]:
    before, after = _passed(remembered), _passed(fresh)
    if len(after) < len(fresh) or not after:
        yield FreshTrialFailed(side)
        return
    changed = settings_change([*before, *after])
    if changed is not None:
        yield changed
    for phase, metric, budget, figure_of in _looked_at(rules):
        known = [figure for trial in before if (figure := figure_of(trial)) is not None]
        for figure in map(figure_of, after):
            if figure is None or not known:
                if figure is not None or known:
                    yield FigureMissing(side, metric, phase)
            elif not _fits(figure, known, budget.tolerance or _USUAL[metric.definition.unit]):
                yield FigureDiffers(side, metric, phase, figure[0], _range(known))


_Figure = tuple[int, int]
"""The smallest and the largest value that a reading may have."""
_FigureOf = Callable[[Trial], _Figure | None]


def _looked_at(rules: ImageRules) -> Iterator[tuple[str | None, Metric, EffectiveBudget, _FigureOf]]:
    for metric, budget in rules.budgets.items():
        if budget.is_set:
            yield None, metric, budget, partial(_of_trial, metric)
    for phase, budgets in rules.phase_budgets.items():
        for metric, budget in budgets.items():
            if budget.is_set:
                yield phase, metric, budget, partial(_of_phase, phase, metric)


def _of_trial(metric: Metric, trial: Trial) -> _Figure | None:
    return _figure(trial.metrics.get(metric))


def _of_phase(phase: str, metric: Metric, trial: Trial) -> _Figure | None:
    """Return the figure of a phase.

    If a trial has several phases of that name, the largest counts, as in the judgement.
    """
    named = (one for one in phase_summaries([trial]) if one.name == phase)
    figures = [_figure(one.by_metric[metric]) for one in named]
    return max((figure for figure in figures if figure is not None), default=None)


def _figure(reading: MetricValue | None) -> _Figure | None:
    if reading is None or reading.value is None:
        return None
    least = reading.at_least if reading.at_least is not None else reading.value
    return reading.interval or (least, reading.at_most or reading.value)


def _fits(figure: _Figure, known: Sequence[_Figure], tolerance: Tolerance) -> bool:
    low, high = _range(known)
    margin = max(high - low, tolerated_growth(figure[0], tolerance))
    return figure[1] >= low - margin and figure[0] <= high + margin


def _range(known: Sequence[_Figure]) -> _Figure:
    return min(low for low, _ in known), max(high for _, high in known)


def _passed(trials: Sequence[Trial | Failure]) -> list[Trial]:
    return [trial for trial in trials if isinstance(trial, Trial)]
