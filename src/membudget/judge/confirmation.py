"""Whether fresh trials confirm remembered ones that a stranger may have written.

A pull request can write to its own cache. A forged file may hold any figures, and may let them spread so widely that
every fresh figure fits among them. So two questions are asked. Do the fresh figures lie near the remembered ones? Do
the fresh trials alone come to the same verdict? Remembered trials count only where both answers are yes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from membudget.budgets.rules import EffectiveBudget, ImageRules, Tolerance
from membudget.build.revision import Side
from membudget.core.metrics import DEFINITIONS, Metric, MetricValue, Unit, format_value
from membudget.core.quantities import MIB
from membudget.judge.measurement import Failure, settings_change
from membudget.judge.metric import Verdict, tolerated_growth
from membudget.judge.values import phase_summaries
from membudget.measure.trial import Trial

_DROPPED = "the remembered trials were dropped and the image was measured again"
_USUAL = {
    Unit.BYTES: Tolerance(5, 2 * MIB),
    Unit.MILLISECONDS: Tolerance(50, 500),
    Unit.COUNT: Tolerance(0, 0),
}
"""How far a fresh figure may lie off where the budget has no tolerance of its own."""

Trials = Mapping[Side, Sequence[Trial | Failure]]


def contradiction(remembered: Trials, fresh: Trials, rules: ImageRules) -> str | None:
    """Which fresh figure does not fit the remembered ones of its side, in words; None when all do.

    Looked at is each metric that has a budget, of whole trials and of phases. A figure fits within the range of the
    remembered ones, widened at both ends by the tolerance or by the width of that range, whichever is more.
    """
    found = (problem for side, trials in fresh.items() for problem in _problems(side, remembered[side], trials, rules))
    problem = next(found, None)
    return f"{_DROPPED}: {problem}" if problem is not None else None


def other_verdict(fresh_alone: Verdict, together: Verdict) -> str | None:
    """What there is to say where fresh trials alone come to another verdict than with the remembered ones."""
    if fresh_alone is together:
        return None
    return f"{_DROPPED}: with them the verdict was {together}, with fresh trials alone it was {fresh_alone}"


def _problems(
    side: Side, remembered: Sequence[Trial | Failure], fresh: Sequence[Trial | Failure], rules: ImageRules
) -> Iterator[str]:
    before, after = _passed(remembered), _passed(fresh)
    if len(after) < len(fresh) or not after:
        yield f"a fresh trial of the {side} failed"
        return
    changed = settings_change([*before, *after])
    if changed is not None:
        yield changed
    for label, metric, budget, figure_of in _looked_at(rules):
        known = [figure for trial in before if (figure := figure_of(trial)) is not None]
        for figure in map(figure_of, after):
            what = f"{label} of the {side}"
            if figure is None or not known:
                if figure is not None or known:
                    yield f"{what} is not in both"
            elif not _fits(figure, known, budget.tolerance or _USUAL[DEFINITIONS[metric].unit]):
                low, high = (format_value(metric, bound) for bound in _range(known))
                yield f"{what} is {format_value(metric, figure[0])} in a fresh trial, {low} to {high} in those"


_Figure = tuple[int, int]
"""The least and the most that a reading may be."""
_FigureOf = Callable[[Trial], _Figure | None]


def _looked_at(rules: ImageRules) -> Iterator[tuple[str, Metric, EffectiveBudget, _FigureOf]]:
    for metric, budget in rules.budgets.items():
        if budget.is_set:
            yield DEFINITIONS[metric].label, metric, budget, partial(_of_trial, metric)
    for phase, budgets in rules.phase_budgets.items():
        for metric, budget in budgets.items():
            if budget.is_set:
                label = f"{DEFINITIONS[metric].label} ({phase})"
                yield label, metric, budget, partial(_of_phase, phase, metric)


def _of_trial(metric: Metric, trial: Trial) -> _Figure | None:
    return _figure(trial.metrics.get(metric))


def _of_phase(phase: str, metric: Metric, trial: Trial) -> _Figure | None:
    """The figure of a phase. Where a trial has several phases of that name, the largest counts, as in the judgement."""
    named = (one for one in phase_summaries([trial]) if one.name == phase)
    figures = [_figure(one.peak_rss if metric is Metric.PEAK_RSS else one.peak_memory) for one in named]
    return max((figure for figure in figures if figure is not None), default=None)


def _figure(reading: MetricValue | None) -> _Figure | None:
    if reading is None or reading.value is None:
        return None
    return reading.interval or (reading.value, reading.at_most or reading.value)


def _fits(figure: _Figure, known: Sequence[_Figure], tolerance: Tolerance) -> bool:
    low, high = _range(known)
    margin = max(high - low, tolerated_growth(figure[0], tolerance))
    return figure[1] >= low - margin and figure[0] <= high + margin


def _range(known: Sequence[_Figure]) -> _Figure:
    return min(low for low, _ in known), max(high for _, high in known)


def _passed(trials: Sequence[Trial | Failure]) -> list[Trial]:
    return [trial for trial in trials if isinstance(trial, Trial)]
