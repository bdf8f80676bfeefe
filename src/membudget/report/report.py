"""The report: the seam between measuring, which runs other people's code, and publishing, which holds a token.

`report.json` is complete: whoever renders it judges again from its figures and believes none of its verdicts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.loosening import DEFAULT_LABEL, Approval, Loosening
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.core.sharding import Shard
from membudget.judge.measurement import FailureStage, ImageMeasurement, SideMeasurement
from membudget.judge.metric import Inconclusive, Verdict, worst
from membudget.judge.whole import Coverage, GroupMeasurement, Judgement, judge
from membudget.measure.trial import Trial

SCHEMA_VERSION = 2
"""Version 1 said in sentences alone what is now also stored as figures: see `restated`."""
LARGEST_REPORT_BYTES = 16_000_000
"""What is written has no more, and what is read may have been written by anybody."""


class ReportModel(BaseModel):
    """A part of the report: nothing in it that is not named here."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RevisionReport(ReportModel):
    """One of the two commits."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
    subject: Annotated[str, Field(max_length=4096)]


class Comparison(ReportModel):
    """What was compared with what."""

    head: RevisionReport
    base: RevisionReport | None
    no_base_reason: str | None
    """Why there is no base."""


class Environment(ReportModel):
    """Where it was measured."""

    engine: str
    """Version of the container engine."""
    platform: str
    kernel: str
    cgroup_version: Literal[1, 2]
    cgroup_driver: Literal["cgroupfs", "systemd"]
    storage_driver: str
    cpus: int
    memory_bytes: int
    probe: str
    """Where samples were taken from."""
    rate_hz: int
    """Looks a second while memory rests."""
    jobs: int = 1
    """How many images were measured side by side."""
    log_driver: str = "unknown"
    """The engine's, for the measured containers."""

    @property
    def rates(self) -> str:
        """How often it was looked, in words."""
        return f"{self.rate_hz} Hz{' and more' if self.rate_hz > 1 else ''}"


class Report(ReportModel):
    """A whole `report.json`."""

    schema_version: Literal[1, 2]
    membudget_version: str
    started_at: AwareDatetime
    duration_ms: Annotated[int, Field(ge=0)]
    comparison: Comparison
    environment: Environment
    images: Annotated[tuple[ImageMeasurement, ...], Field(max_length=MOST_IMAGES)]
    budgets_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of both revisions' budgets files: parts of one check have the same."""
    shard: Shard | None = None
    """Which part of a check this is; None: all of it."""
    coverage: Coverage
    """Which images it has to be about."""
    groups: tuple[GroupMeasurement, ...] = ()
    """Images whose sums have budgets."""
    approval: Approval = Approval.NOT_ASKED
    """Whether what the head's budgets file loosens may count."""
    approval_label: str = DEFAULT_LABEL
    """The label that approves it."""
    approval_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of what the label approves: the same, as long as that is the same. None: nothing needs approval."""
    loosened: tuple[Loosening, ...] = ()
    """What it loosens."""
    base_problem: str | None = None
    """Why the rules of the base are not known; None: they are, or there are none."""
    notes: tuple[str, ...] = ()
    """What a reader has to know of the whole."""
    verdict: Verdict
    """For readers of the file. Publishing judges again, from the figures."""
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive, for readers of the file as well."""

    @property
    def lacks_base_rules(self) -> bool:
        """Whether the base's rules would have to count, and are not known."""
        return self.base_problem is not None and not self.approval.counts

    def judged(self) -> "JudgedReport":
        """Judge the figures of this report: the one place where that is done. The result's report has the verdict."""
        judgement = self._judgement()
        update = {"verdict": judgement.verdict, "inconclusive": judgement.inconclusive}
        return JudgedReport(self.model_copy(update=update), judgement)

    def _judgement(self) -> Judgement:
        judged = judge(self.images, self.groups, self.coverage)
        if self.loosened and not self.approval.counts:
            return replace(judged, verdict=Verdict.FAIL, inconclusive=None)
        if self.lacks_base_rules:
            verdict = worst([judged.verdict, Verdict.INCONCLUSIVE])
            why = Inconclusive.NOT_MEASURED if verdict is Verdict.INCONCLUSIVE else None
            return replace(judged, verdict=verdict, inconclusive=why)
        return judged


@dataclass(frozen=True, slots=True)
class JudgedReport:
    """A report and what its figures come to: made by `Report.judged`, and handed on."""

    report: Report
    judgement: Judgement

    @property
    def measured(self) -> dict[str, ImageMeasurement]:
        """The report's images by name."""
        return {image.name: image for image in self.report.images}


def restated(report: Report) -> Report:
    """Return a report of schema version 1 in today's version. Anything newer is returned unchanged.

    Version 1 has two facts in sentences alone: whether a value is less precise than its metric usually is, and whether
    a side's failure is also why its image could not be read. Nothing else looks into stored sentences.
    """
    if report.schema_version > 1:
        return report
    images = tuple(image.with_each_side(_restated_side) for image in report.images)
    return report.model_copy(update={"schema_version": SCHEMA_VERSION, "images": images})


def _restated_side(side: SideMeasurement) -> SideMeasurement:
    absent = [side.metrics[metric] for metric in IMAGE_METRICS if metric in side.metrics]
    return replace(
        side,
        metrics=_restated_metrics(side.metrics),
        trials=tuple(map(_restated_trial, side.trials)),
        failure_hid_image=side.failure is not None
        and side.failure.stage is FailureStage.ENVIRONMENT
        and bool(absent)
        and all(value.value is None and value.reason == str(side.failure) for value in absent),
    )


def _restated_trial(trial: Trial) -> Trial:
    phases = (
        replace(
            phase,
            peak_rss=_restated_value(Metric.PEAK_RSS, phase.peak_rss),
            peak_memory=_restated_value(Metric.PEAK_MEMORY, phase.peak_memory),
        )
        for phase in trial.phases
    )
    return replace(trial, metrics=_restated_metrics(trial.metrics), phases=tuple(phases))


def _restated_metrics(metrics: Mapping[Metric, MetricValue]) -> dict[Metric, MetricValue]:
    return {metric: _restated_value(metric, value) for metric, value in metrics.items()}


def _restated_value(metric: Metric, value: MetricValue) -> MetricValue:
    return replace(value, is_less_precise=value.precision != metric.definition.precision)
