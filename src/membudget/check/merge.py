"""Merges the reports of several runners into one.

Missing, duplicate and unrelated parts do not stop the merge. The merged report names them, and its verdict is
inconclusive.
"""

from collections.abc import Mapping
from itertools import chain

from membudget.check.parts import Same, once, together
from membudget.judge.image import judge_image
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import worst
from membudget.judge.whole import PartDifference
from membudget.report.report import MOST_PROPOSALS, JudgedReport, Report

_SAME: Same[Report] = {
    PartDifference.HEAD: lambda report: report.comparison.head.sha,
    PartDifference.BASE: lambda report: report.comparison.base.sha if report.comparison.base else None,
    PartDifference.VERSION: lambda report: report.membudget_version,
    PartDifference.BUDGETS: lambda report: (
        report.budgets_digest,
        report.base_problem,
        report.coverage.known,
        report.groups,
        report.loosened,
    ),
    PartDifference.APPROVAL: lambda report: (report.approval, report.approval_label, report.approval_digest),
    PartDifference.SHARDS: lambda report: report.shard.of if report.shard else None,
}
"""What all parts of one check have in common."""


def merge(reports: Mapping[str, Report]) -> JudgedReport:
    """Merge `reports`, given by file name, into one report.

    Parts that differ from most others are left out. The merged report names them, and also shards and images that are
    missing or duplicate. It passes only if it covers everything that a whole check would. Raises ConfigurationError if
    no report is a part of a check.
    """
    whole = together(reports, _SAME, "check")
    parts = whole.parts
    merged = parts[0].model_copy(
        update={
            "shard": None,
            "coverage": whole.coverage,
            "images": tuple(once(chain.from_iterable(part.images for part in parts), _graver)),
            "started_at": min(part.started_at for part in parts),
            "proposals": tuple(dict.fromkeys(chain.from_iterable(part.proposals for part in parts)))[:MOST_PROPOSALS],
            "duration_ms": max(part.duration_ms for part in parts),
            "notes": whole.notes,
        }
    )
    return merged.judged()


def _graver(one: ImageMeasurement, other: ImageMeasurement) -> ImageMeasurement:
    """Return the result with the worse verdict."""
    verdicts = judge_image(one).verdict, judge_image(other).verdict
    return one if worst(verdicts) is verdicts[0] else other
