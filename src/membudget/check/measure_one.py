"""Use case: measure one image, without a budgets file and without a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from membudget.build.revision import BuiltImage, Side
from membudget.contents.summary import PairContents, Unavailable, image_metrics
from membudget.core.errors import EnvironmentFault
from membudget.core.metrics import Metric, MetricValue
from membudget.core.progress import Doing, Progress, Running, Stage, Step
from membudget.judge.values import aggregate, all_absent
from membudget.measure.schedule import interleaved, with_killed_warm_up
from membudget.measure.trial import Trial, TrialSpec
from membudget.report.formats.measure_report import MeasureReport
from membudget.report.report import Environment
from membudget.report.timeline import downsample


class Tools(Protocol):
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


def run(spec: TrialSpec, image: str, trials: int, tools: Tools, progress: Progress) -> MeasureReport:
    """Run a warm-up and `trials` trials. The warm-up is discarded unless only there a process was OOM-killed.

    A trial whose workload fails ends the series. Its figures are shown with its outcome, but are not part of the
    aggregate.
    """
    warm_up: Trial | None = None
    done: list[Trial] = []
    with progress.stage(Stage.MEASURING, [image], tools.live), progress.image(image):
        for turn in interleaved([image], trials):
            doing = Doing.WARM_UP if turn.is_warm_up else Doing.TRIAL
            with progress.step(Step(image, doing, number=turn.number, most=trials, left=trials - turn.number)):
                trial = tools.run_trial(spec)
            if turn.is_warm_up and trial.judgeable:
                warm_up = trial
            else:
                done.append(trial)
            if not trial.judgeable:
                break
    done = with_killed_warm_up(warm_up, done)
    judgeable = [trial for trial in done if trial.judgeable]
    failed = next((trial for trial in done if not trial.judgeable), None)
    values = aggregate(judgeable) if judgeable else all_absent(_why(failed))
    return MeasureReport(
        image=image,
        image_id=spec.image_id,
        limit_bytes=spec.limit_bytes,
        environment=tools.environment,
        metrics={**_image_metrics(spec.image_id, tools), **values},
        trials=tuple(replace(trial, series=downsample(trial.series)) for trial in done),
    )


def _image_metrics(image_id: str, tools: Tools) -> dict[Metric, MetricValue]:
    try:
        found = tools.contents({Side.HEAD: BuiltImage(image_id, image_id, image_id)}, wants_download_size=False).head
    except EnvironmentFault as error:
        found = Unavailable(str(error))
    return image_metrics(found or Unavailable("unknown"))


def _why(failed: Trial | None) -> str:
    return f"no trial completed: {failed.reason}" if failed is not None else "no trial was run"
