"""Why more trials of an image were run than planned: what was not clear after the planned ones."""

from dataclasses import dataclass, replace

from membudget.core.metrics import TRIAL_METRICS
from membudget.judge.image import judge_image
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Row, Verdict
from membudget.judge.values import aggregated


@dataclass(frozen=True, slots=True)
class MoreTrials:
    """The trials beyond the planned ones."""

    planned: int
    """The number of trials of each side after which the answer was not clear."""
    rows: tuple[Row, ...]
    """The figures that further trials could change, as they were judged then."""
    soak: bool
    """Whether the soak was not clear."""


def more_trials(image: ImageMeasurement) -> MoreTrials | None:
    """Return why an image has more trials than planned. None if it has not, or if its older report does not tell."""
    planned = image.planned_trials
    if planned is None or planned < 1 or image.head is None or image.is_unchanged:
        return None
    sides = [side for side in (image.base, image.head) if side is not None]
    if max(len(side.trials) for side in sides) <= planned:
        return None
    then = judge_image(image.with_each_side(lambda side: _first(side, planned)))
    if then.is_settled:
        return None
    open_rows = tuple(row for row in then.all_rows if not row.is_settled)
    return MoreTrials(planned, open_rows, soak=then.soak_verdict is Verdict.INCONCLUSIVE)


def _first(side: SideMeasurement, count: int) -> SideMeasurement:
    """Return the side as it was after its first `count` trials."""
    trials = side.trials[:count]
    told = [metric for metric in TRIAL_METRICS if trials and all(metric in trial.metrics for trial in trials)]
    then = {metric: aggregated(metric, [trial.metrics[metric] for trial in trials]) for metric in told}
    return replace(side, trials=trials, metrics={**side.metrics, **then})
