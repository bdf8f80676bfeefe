"""What explains that an image does not pass: kills, the processes and the code that grew, and the layers that grew."""

from collections.abc import Iterator

from membudget.core.metrics import IMAGE_METRICS, Metric
from membudget.core.quantities import format_size
from membudget.judge.image import ImageJudgement, Status
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Verdict
from membudget.report.findings import Finding, FindingKind, soak_finding, why
from membudget.report.growth_words import growth_findings
from membudget.report.image_findings import cause_findings, size_is_in_trouble
from membudget.report.peak_changes import change_findings, package_findings


def explanations(image: ImageMeasurement, judged: ImageJudgement) -> Iterator[Finding]:
    """Yield what explains a problem: kills, the processes that grew, or the layers that grew."""
    if judged.status is Status.OOM_KILLED and image.base is not None:
        yield from _base_peak(image.base)
    in_trouble = memory_is_in_trouble(judged)
    changed = tuple(change_findings(image)) if in_trouble else ()
    for finding in why(image.trials):
        if finding.kind is FindingKind.AT_PEAK and changed:
            yield from changed  # what changed explains more than what is there
        elif finding.is_grave or in_trouble:
            yield finding
    if in_trouble:
        yield from growth_findings(image, judged)
    yield from soak_finding(image, judged)
    if size_is_in_trouble(judged):
        yield from cause_findings(image)
    elif in_trouble:
        yield from package_findings(image)


def memory_is_in_trouble(judged: ImageJudgement) -> bool:
    """Return whether a figure of the trials does not pass, not one of the image itself."""
    troubled = [row for row in judged.all_rows if row.verdict not in (None, Verdict.PASS)]
    return any(row.metric not in IMAGE_METRICS for row in troubled) or not judged.soak_verdict.passes


def _base_peak(base: SideMeasurement) -> Iterator[Finding]:
    """Yield the peak of the base, and whether it was OOM-killed as well."""
    peak, kills = base.metrics.get(Metric.PEAK_RSS), base.metrics.get(Metric.OOM_KILLS)
    if peak is not None and peak.value is not None:
        killed = "and was OOM-killed as well" if kills is not None and kills.value else "and was not killed"
        yield Finding((f"the base peaked at {format_size(peak.value)} of RSS {killed}",))
