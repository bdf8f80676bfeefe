"""The judgement as JSON for programs: `membudget report --format json`. `report.json` has no verdicts of rows."""

from membudget.budgets.editing import LineEdit
from membudget.budgets.manifests import ManifestRule
from membudget.budgets.memory_rules import MemoryRule
from membudget.budgets.rules import EffectiveBudget
from membudget.budgets.runtimes import RuntimeRule
from membudget.core.closed_model import ClosedModel
from membudget.core.definition import Better
from membudget.core.metrics import Metric, MetricValue
from membudget.core.untrusted_text import json_without_commands, raw
from membudget.judge.bounds import Exceeded
from membudget.judge.evidence import TrialsAtLimit, TrialsOver
from membudget.judge.image import ImageJudgement, Status
from membudget.judge.manifests import ManifestFinding
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.memory_rules import MemoryFinding
from membudget.judge.metric import Inconclusive, Row, Verdict
from membudget.judge.runtime_finding import Exactness, RuntimeFinding
from membudget.judge.whole import Gap
from membudget.measure.runtimes.runtime import RuntimeKind
from membudget.report.accepting import exception_lines, keys_of_image, proposal_of
from membudget.report.formats.judged_growth import JudgedGrowth
from membudget.report.headline import verdict_line
from membudget.report.manifest_words import fault_words, finding_words
from membudget.report.memory_words import finding_words as memory_finding_words
from membudget.report.report import Comparison, JudgedReport, Report
from membudget.report.row_words import key_of, row_reason
from membudget.report.runtime_words import finding_words as runtime_finding_words
from membudget.report.verdicts import image_reason, next_step


class ExceededBudget(ClosedModel):
    """A budget that is broken."""

    key: str
    """Its key in the budgets file, below the metric's own."""
    most: int | None
    """The largest value that it allows, in the metric's unit. For growth, that is the base's value and the growth. None
    if more is better.
    """
    least: int | None
    """The smallest value that it allows. For a drop, that is the base's value less the drop. None if less is better."""
    value: int
    """The value that breaks it: the median, or the worst trial if every trial has to keep the budget."""
    over_by: int
    """How much worse the value is than what is allowed."""

    @classmethod
    def of(cls, metric: Metric, one: Exceeded) -> "ExceededBudget":
        """Return the JSON model of a broken budget."""
        is_most = one.bound.kind.better is Better.LESS
        most, least = (one.bound.level, None) if is_most else (None, one.bound.level)
        return cls(key=key_of(metric, one.bound.kind), most=most, least=least, value=one.value, over_by=one.excess)


class JudgedRow(ClosedModel):
    """The judgement of one metric of an image, or of a group's sum."""

    metric: Metric
    better: Better
    """Which values of the metric are better."""
    phase: str | None
    """None for a metric of the whole trial."""
    since: str | None
    """For growth since a release or a date: where it starts. `base` is then the value of that time."""
    base: MetricValue | None
    head: MetricValue
    delta: int | None
    """The head's value minus the base's, in the metric's unit. Positive is worse, or negative if `better` is more."""
    margin: int | None
    """How far the delta may be off, in the metric's unit."""
    budget: EffectiveBudget
    headroom: int | None
    """What is left until the budget in `headroom_to` breaks, in the metric's unit. Negative if it is broken."""
    headroom_to: str | None
    """The key of the budget that `headroom` refers to: of a broken one, if there is one, else of the tightest."""
    exceeded: tuple[ExceededBudget, ...]
    """The budgets that are broken, also if an exception allows that."""
    verdict: Verdict | None
    """None if there is nothing to judge by."""
    reason: str | None
    inconclusive: Inconclusive | None
    """Why the verdict is inconclusive. None for other verdicts."""
    is_within_noise: bool
    is_excepted: bool
    trials_over: TrialsOver | None
    """The trials of the head over the maximum, or under the minimum, for any median."""
    is_own: bool
    """Whether the row is about the additional run of the head with its own settings."""
    trials_at_limit: TrialsAtLimit | None
    """The trials of the head that reached the limit."""

    @classmethod
    def of(cls, row: Row) -> "JudgedRow":
        """Return the JSON model of a judged row."""
        own = ("better", "reason", "headroom_to", "exceeded")
        same = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        return cls(
            better=row.metric.definition.better,
            reason=raw(row_reason(row)) or None,
            headroom_to=key_of(row.metric, row.nearest.kind) if row.nearest is not None else None,
            exceeded=tuple(ExceededBudget.of(row.metric, one) for one in row.exceeded),
            **same,
        )


class JudgedImage(ClosedModel):
    """The judgement of one image."""

    name: str
    verdict: Verdict
    inconclusive: Inconclusive | None
    status: Status
    reasons: tuple[str, ...]
    next_step: str | None
    accept: tuple[str, ...]
    """Keys of the budgets file under which the broken budgets pass, as TOML. Empty if none are broken."""
    edits: tuple[LineEdit, ...]
    """The changes of the budgets file's lines that set these keys. Empty if they are not known."""
    exceptions: str
    """Exceptions under which they pass, as TOML. Empty if none would help."""
    limit_bytes: int
    rows: tuple[JudgedRow, ...]
    growth: JudgedGrowth | None
    """What grew. None if the image was not profiled."""


class JudgedGroup(ClosedModel):
    """The judgement of one group of images."""

    name: str
    verdict: Verdict | None
    inconclusive: Inconclusive | None
    rows: tuple[JudgedRow, ...]


class JudgedManifest(ClosedModel):
    """A rule that a manifest breaks."""

    rule: ManifestRule
    verdict: Verdict
    path: str
    line: int
    is_exact: bool
    """Whether the value is written on this line. Otherwise, only the file is known."""
    workload: str
    container: str | None
    image: str | None
    reason: str
    fitting_bytes: int | None
    """An amount that keeps the rule. None if none is known."""
    line_after: str | None
    """The whole line as it should be, or the lines if some are added. None if it is not known."""

    @classmethod
    def of(cls, finding: ManifestFinding) -> "JudgedManifest":
        """Return the JSON model of a finding."""
        return cls(
            rule=finding.rule,
            verdict=finding.verdict,
            path=finding.place.path,
            line=finding.place.line,
            is_exact=finding.place.is_exact,
            workload=finding.workload,
            container=finding.container,
            image=finding.image,
            reason=raw(finding_words(finding)),
            fitting_bytes=finding.fitting_bytes,
            line_after="\n".join(finding.patch.after) if finding.patch is not None else None,
        )


class JudgedRuntime(ClosedModel):
    """A rule that the settings of a runtime break. It never changes the verdict."""

    rule: RuntimeRule
    image: str
    runtime: RuntimeKind
    ceiling_bytes: int | None
    beside_bytes: int | None
    """The measured memory beside the heap: `beside_bound` says how exactly."""
    beside_bound: Exactness
    limit_bytes: int
    reason: str
    fitting: str | None
    """The setting that keeps the rule. None if none does under this limit."""
    path: str | None
    line: int | None
    """Where it is set, or where the program is started. None if neither is known."""

    @classmethod
    def of(cls, finding: RuntimeFinding) -> "JudgedRuntime":
        """Return the JSON model of a finding."""
        place = finding.place
        return cls(
            rule=finding.rule,
            image=finding.image,
            runtime=finding.runtime.kind,
            ceiling_bytes=finding.ceiling_bytes,
            beside_bytes=finding.beside_bytes,
            beside_bound=finding.beside_bound,
            limit_bytes=finding.limit_bytes,
            reason=raw(runtime_finding_words(finding)),
            fitting=finding.fitting,
            path=place.path if place is not None else None,
            line=place.line if place is not None else None,
        )


class JudgedMemory(ClosedModel):
    """A rule for the use of memory that an image breaks. It never changes the verdict."""

    rule: MemoryRule
    image: str
    found_bytes: int
    """The memory that the rule is about, in the trial with the least."""
    of_bytes: int
    """The whole that it is a part of."""
    saved_bytes: int | None
    """How much less a pod could need at most. None if that is not known."""
    saved_month: str | None
    """What that memory costs a month, as a decimal number. None without `[cost]`."""
    reason: str

    @classmethod
    def of(cls, finding: MemoryFinding) -> "JudgedMemory":
        """Return the JSON model of a finding."""
        return cls(
            rule=finding.rule,
            image=finding.image,
            found_bytes=finding.used.found_bytes,
            of_bytes=finding.used.of_bytes,
            saved_bytes=finding.used.saved_bytes,
            saved_month=str(finding.month) if finding.month is not None else None,
            reason=raw(memory_finding_words(finding)),
        )


class JudgedDocument(ClosedModel):
    """The judgement of a report. It was judged by the membudget that printed it."""

    verdict: Verdict
    inconclusive: Inconclusive | None
    """Why the verdict is inconclusive: because of noise, or because something was not measured."""
    verdict_line: str
    comparison: Comparison
    images: tuple[JudgedImage, ...]
    groups: tuple[JudgedGroup, ...]
    manifests: tuple[JudgedManifest, ...]
    """The rules that manifests break, failures first."""
    unread_manifests: tuple[str, ...]
    """Why manifests could not be read."""
    runtimes: tuple[JudgedRuntime, ...]
    """The rules that settings of runtimes break. They never change the verdict."""
    memory: tuple[JudgedMemory, ...]
    """The rules for the use of memory that images break. They never change the verdict."""
    missing_shards: tuple[int, ...]
    gaps: tuple[Gap, ...]
    """The gaps in coverage: images, shards, and parts that were left out."""
    unapproved: tuple[str, ...]
    """The keys of the budgets file that are looser than the base's without approval."""


def render(result: JudgedReport) -> str:
    """Return the judgement as JSON. None of its lines can be a command for a workflow's runner."""
    measured = result.measured
    judged = JudgedDocument(
        verdict=result.judgement.verdict,
        inconclusive=result.judgement.inconclusive,
        verdict_line=verdict_line(result),
        comparison=result.report.comparison,
        images=tuple(_image(image, measured[image.name], result.report) for image in result.judgement.images),
        groups=tuple(
            JudgedGroup(
                name=one.name,
                verdict=one.verdict,
                inconclusive=one.inconclusive,
                rows=tuple(map(JudgedRow.of, one.rows)),
            )
            for one in result.judgement.groups
        ),
        manifests=tuple(map(JudgedManifest.of, result.judgement.manifests.findings)),
        unread_manifests=tuple(raw(fault_words(fault)) for fault in result.judgement.manifests.faults),
        runtimes=tuple(map(JudgedRuntime.of, result.judgement.runtimes)),
        memory=tuple(map(JudgedMemory.of, result.judgement.memory)),
        missing_shards=result.report.coverage.missing_shards,
        gaps=result.judgement.gaps,
        unapproved=tuple(f"{one.subject}.{one.key}" for one in result.report.looser.unapproved),
    )
    return json_without_commands(judged.model_dump_json(indent=1)) + "\n"


def _image(image: ImageJudgement, measured: ImageMeasurement, report: Report) -> JudgedImage:
    accept = keys_of_image(measured, image)
    proposal = proposal_of(report, image.name, accept, is_group=False)
    return JudgedImage(
        name=image.name,
        verdict=image.verdict,
        inconclusive=image.inconclusive,
        status=image.status,
        reasons=tuple(raw(image_reason(reason)) for reason in image.reasons),
        next_step=next_step(image.status, image.rows),
        accept=accept,
        edits=proposal.edits if proposal is not None else (),
        exceptions="\n".join(exception_lines(measured, image, report.started_at, report.looser)),
        limit_bytes=measured.limit_bytes,
        rows=tuple(map(JudgedRow.of, image.all_rows)),
        growth=JudgedGrowth.of(measured, image),
    )
