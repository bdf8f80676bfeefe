"""The model of `report.json`, which passes from measuring, which runs untrusted code, to publishing, which has a token.

The report contains all figures. Rendering judges them again and never trusts the stored verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from membudget.budgets.editing import LineEdit
from membudget.budgets.entries import MOST_IMAGES
from membudget.budgets.fields import ImageName
from membudget.budgets.loosening import DEFAULT_LABEL, Approval, Loosening
from membudget.budgets.memory_rules import MemoryRule
from membudget.budgets.runtimes import RuntimeRule
from membudget.core.closed_model import ClosedModel
from membudget.core.files import Stored
from membudget.core.metrics import IMAGE_METRICS, Metric, MetricValue
from membudget.core.sharding import Shard
from membudget.judge.manifests import CheckedManifests
from membudget.judge.measurement import FailureStage, ImageMeasurement, SideMeasurement
from membudget.judge.memory_rules import judge_memory
from membudget.judge.metric import Inconclusive, Verdict, worst
from membudget.judge.whole import Coverage, GroupMeasurement, Judgement, judge
from membudget.measure.trial import Trial

SCHEMA_VERSION = 2
"""Version 1 had some facts only in sentences: see `restated`."""
MOST_PROPOSALS = 2 * MOST_IMAGES
LARGEST_REPORT_BYTES = 16_000_000
"""The size limit when writing, and when reading a report that a stranger may have written."""


class ReportModel(ClosedModel):
    """A part of the report. Unknown keys are errors."""


LONGEST_SUBJECT = 4096


class RevisionReport(ReportModel):
    """One of the two commits."""

    sha: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
    subject: Annotated[str, Field(max_length=LONGEST_SUBJECT)]


class Comparison(ReportModel):
    """The two revisions that were compared."""

    head: RevisionReport
    base: RevisionReport | None
    no_base_reason: str | None
    """Why there is no base. None if there is one."""


class Environment(ReportModel):
    """The environment of the measurement."""

    engine: str
    """The version of the container engine."""
    platform: str
    kernel: str
    cgroup_version: Literal[1, 2]
    cgroup_driver: Literal["cgroupfs", "systemd"]
    storage_driver: str
    cpus: int
    memory_bytes: int
    probe: str
    """The place that samples were taken from."""
    rate_hz: int
    """Samples per second while memory rests."""
    jobs: int = 1
    """The number of images that were measured at once."""
    log_driver: str = "unknown"
    """The engine's log driver for the measured containers."""

    @property
    def rates(self) -> str:
        """The sampling rate in words."""
        return f"{self.rate_hz} Hz{' and more' if self.rate_hz > 1 else ''}"


@dataclass(frozen=True, slots=True)
class LooserRules:
    """The rules that the head loosens, and whether they count."""

    loosened: tuple[Loosening, ...]
    approval: Approval
    label: str
    """The label that approves them."""

    @property
    def unapproved(self) -> tuple[Loosening, ...]:
        """The rules that fail the check because nobody approved them."""
        return () if self.approval.counts else self.loosened


@dataclass(frozen=True, slots=True)
class Proposal(Stored):
    """How to edit the budgets file so that the figures of an image or a group pass."""

    subject: ImageName
    """The name of the image or the group."""
    is_group: bool
    keys: tuple[str, ...]
    """What the edit sets, as lines of TOML. Publishing shows no proposal whose keys it would not propose itself."""
    file: str
    """The path of the budgets file, from the top of the repository."""
    edits: tuple[LineEdit, ...]


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
    """A digest of the budgets files of both revisions. Parts of one check have the same."""
    shard: Shard | None = None
    """The part of the check. None if the report is about the whole check."""
    coverage: Coverage
    """The images and shards that the report has to cover."""
    groups: tuple[GroupMeasurement, ...] = ()
    """The groups of images whose sums have budgets."""
    approval: Approval = Approval.NOT_ASKED
    """Whether looser rules of the head count."""
    is_local: bool = False
    """Whether no server's job ran the check, and something of the head needs approval."""
    approval_label: str = DEFAULT_LABEL
    """The label that approves looser rules."""
    approval_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """A digest of everything that the label would approve. None if nothing needs approval."""
    loosened: tuple[Loosening, ...] = ()
    """The rules that the head loosens."""
    base_problem: str | None = None
    """Why the rules of the base are unknown. None if they are known, or if there are none."""
    proposals: Annotated[tuple[Proposal, ...], Field(max_length=MOST_PROPOSALS)] = ()
    """How to edit the head's budgets file so that what fails passes."""
    manifests: CheckedManifests | None = None
    """What the manifests of both commits deploy. None if the budgets file names none, and in older reports."""
    runtime_rules: Annotated[tuple[RuntimeRule, ...], Field(max_length=len(RuntimeRule))] = ()
    """The rules for runtimes that are switched on. None in older reports."""
    memory_rules: Annotated[tuple[MemoryRule, ...], Field(max_length=len(MemoryRule))] = ()
    """The rules for the use of memory that are switched on. None in older reports."""
    notes: tuple[str, ...] = ()
    """Notes about the whole check."""
    verdict: Verdict
    """For readers of the file only. Publishing judges the figures again."""
    inconclusive: Inconclusive | None = None
    """Why the verdict is inconclusive. For readers of the file only."""

    @property
    def looser(self) -> LooserRules:
        """The rules that the head loosens."""
        return LooserRules(self.loosened, self.approval, self.approval_label)

    @property
    def lacks_base_rules(self) -> bool:
        """Whether the base's rules would have to count but are unknown."""
        return self.base_problem is not None and not self.approval.counts

    def judged(self) -> "JudgedReport":
        """Judge the figures of this report and store the verdict in it.

        This is the only place where reports are judged.
        """
        judgement = self._judgement()
        update = {"verdict": judgement.verdict, "inconclusive": judgement.inconclusive}
        return JudgedReport(self.model_copy(update=update), judgement)

    def _judgement(self) -> Judgement:
        judged = judge(self.images, self.groups, self.coverage, self.manifests, self.runtime_rules)
        judged = replace(judged, memory=judge_memory(self.images, self.memory_rules))
        if self.looser.unapproved:
            return replace(judged, verdict=Verdict.FAIL, inconclusive=None)
        if self.lacks_base_rules:
            verdict = worst([judged.verdict, Verdict.INCONCLUSIVE])
            why = Inconclusive.NOT_MEASURED if verdict is Verdict.INCONCLUSIVE else None
            return replace(judged, verdict=verdict, inconclusive=why)
        return judged


@dataclass(frozen=True, slots=True)
class JudgedReport:
    """A report with the judgement of its figures, made by `Report.judged`."""

    report: Report
    judgement: Judgement

    @property
    def measured(self) -> dict[str, ImageMeasurement]:
        """The measured images, by name."""
        return {image.name: image for image in self.report.images}


_USUAL_PRECISION_1 = {
    **dict.fromkeys((Metric.PEAK_RSS, Metric.PEAK_WORKING_SET, Metric.POD_PEAK_RSS), "sampled, lower bound"),
    **dict.fromkeys((Metric.RSS_PER_CONNECTION, Metric.RSS_PER_STREAM, Metric.RSS_PER_1000_REQUESTS), "estimated"),
    Metric.PEAK_MEMORY: "exact, to 256 KiB a CPU",
    **dict.fromkeys((Metric.SETTLED_RSS, Metric.SETTLED_WORKING_SET), "sampled"),
    Metric.STARTUP_TIME: "timed, to 20 ms",
}
"""The words of version 1, which stay although those of a definition may change. Others were exact."""


def restated(report: Report) -> Report:
    """Return a report of schema version 1 in today's version. Anything newer is returned unchanged.

    Version 1 has two facts in sentences alone: whether a value is less precise than its metric usually is, and whether
    a side's failure is also why its image could not be read. Nothing else about a verdict is read out of stored
    sentences.
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
    is_less_precise = value.value is not None and value.precision != _USUAL_PRECISION_1.get(metric, "exact")
    return replace(value, is_less_precise=is_less_precise)
