"""Use case: measure images, without a budgets file and without a verdict."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol

from membudget.build.revision import BuiltImage, Side
from membudget.contents.summary import PairContents, Unavailable, image_metrics
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.core.progress import Doing, Progress, ProgressStep, Running, Stage
from membudget.judge.values import aggregate, all_absent
from membudget.measure.schedule import interleaved, with_killed_warm_up
from membudget.measure.trial import Trial, TrialSpec
from membudget.report.formats.measure_report import MeasureReport
from membudget.report.report import Environment
from membudget.report.timeline import downsample


class ToolsToMeasure(Protocol):
    """The tools that measuring needs."""

    @property
    def environment(self) -> Environment:
        """The environment in which trials run."""

    def contents(self, images: Mapping[Side, BuiltImage], *, wants_download_size: bool) -> PairContents:
        """Return what the images contain. Raises EnvironmentFault."""

    def run_trial(self, spec: TrialSpec) -> Trial:
        """Run one trial. Raises EnvironmentFault."""

    def live(self) -> Sequence[Running]:
        """Return the running trial, as last sampled. Called from another thread."""


def run(
    specs: Sequence[TrialSpec], trials: int, tools: ToolsToMeasure, progress: Progress
) -> tuple[MeasureReport, ...]:
    """Run a warm-up and `trials` trials of each image, in turns, so that a drift of the machine affects all images.

    A warm-up is discarded unless only there a process was OOM-killed. A trial whose workload fails ends the trials of
    its image. Its figures are shown with its outcome, but are not part of the aggregate.
    """
    series = [_Series(spec) for spec in specs]
    turns = list(interleaved(series, trials))
    with progress.stage(Stage.MEASURING, [spec.name for spec in specs], tools.live), ExitStack() as at_work:
        for spec in specs:
            at_work.enter_context(progress.image(spec.name))
        for taken, turn in enumerate(turns, start=1):
            if turn.side.failed is not None:
                continue
            doing = Doing.WARM_UP if turn.is_warm_up else Doing.TRIAL
            left = len(turns) - taken
            with progress.step(ProgressStep(turn.side.spec.name, doing, number=turn.number, most=trials, left=left)):
                turn.side.take(tools.run_trial(turn.side.spec), is_warm_up=turn.is_warm_up)
    return tuple(_report(one, tools) for one in series)


@dataclass(slots=True)
class _Series:
    """The trials of one image."""

    spec: TrialSpec
    warm_up: Trial | None = None
    trials: list[Trial] = field(default_factory=list)

    def take(self, trial: Trial, *, is_warm_up: bool) -> None:
        """Add a trial. A warm-up that failed counts, because it says why there are no others."""
        if is_warm_up and trial.judgeable:
            self.warm_up = trial
        else:
            self.trials.append(trial)

    @property
    def failed(self) -> Trial | None:
        """The trial whose workload failed. None if none did."""
        return next((trial for trial in self.trials if not trial.judgeable), None)


def _report(series: _Series, tools: ToolsToMeasure) -> MeasureReport:
    spec, failed = series.spec, series.failed
    done = with_killed_warm_up(series.warm_up, series.trials)
    judgeable = [trial for trial in done if trial.judgeable]
    values = aggregate(judgeable) if judgeable else all_absent(_why(failed))
    return MeasureReport(
        image=spec.name,
        image_id=spec.image_id,
        limit_bytes=spec.limit_bytes,
        environment=tools.environment,
        metrics={**_image_metrics(spec.image_id, tools), **values},
        trials=tuple(replace(trial, series=downsample(trial.series)) for trial in done),
    )


def _image_metrics(image_id: str, tools: ToolsToMeasure) -> dict[Metric, MetricValue]:
    try:
        found = tools.contents({Side.HEAD: BuiltImage(image_id, image_id, image_id)}, wants_download_size=False).head
    except EnvironmentFault as error:
        found = Unavailable(str(error))
    return image_metrics(found or Unavailable("unknown"))


def _why(failed: Trial | None) -> str:
    return f"no trial completed: {failed.reason}" if failed is not None else "no trial was run"
