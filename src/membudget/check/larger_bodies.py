"""Runs trials of the head with larger bodies, after those that are judged."""

from collections.abc import Sequence
from dataclasses import replace

from membudget.budgets.larger_bodies import with_larger_bodies
from membudget.budgets.workload import HttpWorkload
from membudget.budgets.workload_parts import HttpRequests
from membudget.build.revision import Side
from membudget.check.building import BuiltPair
from membudget.check.trials import TrialTools
from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.metrics import Metric
from membudget.core.progress import Doing, Progress, ProgressStep
from membudget.judge.larger_bodies import LONGEST_TEXT, MOST_LARGER_TRIALS, BodySize, LargerBodies
from membudget.judge.measurement import ImageMeasurement
from membudget.measure.load import LoadResult
from membudget.measure.trial import Outcome, Trial, TrialSpec


def with_larger_trials(
    subject: BuiltPair, found: ImageMeasurement, tools: TrialTools, progress: Progress, *, asks: bool
) -> ImageMeasurement:
    """Return the measurement with what larger bodies did. `asks` says whether the rule that needs it is on.

    The head runs with the workload that its maximums are judged by, and with its own larger requests.
    """
    own = subject.own if found.own is not None and found.own.counts else None
    judged = subject.alone(own) if own is not None else subject
    image, spec = judged.images.get(Side.HEAD), judged.pair.head
    if not asks or found.is_unchanged or image is None or spec is None or not found.trials:
        return found
    if not isinstance(spec.workload, HttpWorkload) or any(one.outcome is not Outcome.COMPLETED for one in found.trials):
        return found
    workload = with_larger_bodies(spec.workload, spec.larger_bodies)
    if workload == spec.workload:
        return found
    larger = _run(replace(judged.trial_spec(image, spec), workload=workload), tools, progress)
    if isinstance(larger, str):
        return replace(found, larger=LargerBodies(reason=shortened(larger, LONGEST_TEXT)))
    sizes = _sizes(spec.workload.requests, workload.requests, found.trials[-1].load, larger[-1].load)
    peaks = [trial.metrics[Metric.PEAK_RSS] for trial in larger]
    known = tuple(peak.value for peak in peaks if peak.value is not None)
    if len(known) < len(peaks):
        missing = next(peak.reason for peak in peaks if peak.value is None)
        return replace(found, larger=LargerBodies(reason=shortened(missing or "unknown", LONGEST_TEXT)))
    return replace(found, larger=LargerBodies(sizes, known))


def _run(spec: TrialSpec, tools: TrialTools, progress: Progress) -> list[Trial] | str:
    """Return the trials, or the reason why there are none."""
    trials = []
    for number in range(1, MOST_LARGER_TRIALS + 1):
        with progress.step(ProgressStep(spec.name, Doing.LARGER, str(Side.HEAD), number, MOST_LARGER_TRIALS)):
            try:
                trial = tools.run_trial(spec)
            except EnvironmentFault as error:  # a lost engine as well: the figures of the judged trials are there
                return error.what
        if trial.outcome is not Outcome.COMPLETED:
            return trial.reason or trial.outcome
        trials.append(trial)
    return trials


def _sizes(
    before: Sequence[HttpRequests], after: Sequence[HttpRequests], was: Sequence[LoadResult], now: Sequence[LoadResult]
) -> tuple[BodySize, ...]:
    """Return the sizes of the requests that were replaced: those of their bodies, or of what was received."""
    sizes = []
    is_whole = len(was) == len(now) == len(before)
    for number, (small, large) in enumerate(zip(before, after, strict=True)):
        if small == large:
            continue
        what = f"{large.method} {large.path}"[:LONGEST_TEXT]
        found = [BodySize(what, False, small.body_size or 0, large.body_size or 0)]
        if is_whole:
            found.append(BodySize(what, True, _received(was[number]), _received(now[number])))
        sizes.append(max(found, key=lambda size: size.more_bytes))
    return tuple(sizes)


def _received(result: LoadResult) -> int:
    return result.received_bytes // max(1, result.succeeded)
