"""Merges the reports of a fit that several runners shared into one, and picks single images of a report.

Missing, duplicate and unrelated parts do not stop the merge. The merged report names them, and is never written.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

from membudget.check.parts import Same, once, together
from membudget.core.errors import ConfigurationError, shortened
from membudget.judge.fitted import FittedImage
from membudget.judge.whole import Coverage, PartDifference
from membudget.report.fit_report import FitReport

_LONGEST_LIST = 200
_SAME: Same[FitReport] = {
    PartDifference.HEAD: lambda report: report.commit,
    PartDifference.VERSION: lambda report: report.membudget_version,
    PartDifference.BUDGETS: lambda report: (report.budgets_digest, report.coverage.known),
    PartDifference.OPTIONS: lambda report: (report.confirmations, report.at_most_bytes, report.seeks_comfort),
    PartDifference.SHARDS: lambda report: report.shard.of if report.shard else None,
}
"""What all parts of one fit have in common."""


def merge(reports: Mapping[str, FitReport]) -> FitReport:
    """Merge `reports`, given by file name, into one report. The report of a whole fit alone stays as it is.

    Parts that differ from most others are left out. The merged report names them, and also shards and images that are
    missing or duplicate. Raises ConfigurationError if no report is a part of a fit.
    """
    if len(reports) == 1 and (report := next(iter(reports.values()))).shard is None:
        return report
    whole = together(reports, _SAME, "fit")
    place = {name: number for number, name in enumerate(whole.coverage.known)}
    images = once(chain.from_iterable(part.images for part in whole.parts), _graver)
    return whole.parts[0].model_copy(
        update={
            "shard": None,
            "started_at": min(part.started_at for part in whole.parts),
            "coverage": whole.coverage,
            "images": tuple(sorted(images, key=lambda image: place[image.name])),
            "notes": whole.notes,
        }
    )


def only(report: FitReport, names: Sequence[str]) -> FitReport:
    """Return the report of these images alone. What else is missing does not matter. Raises ConfigurationError."""
    images = {image.name: image for image in report.images}
    unknown = next((name for name in names if name not in images and name not in report.coverage.known), None)
    if unknown is not None:
        there = shortened(", ".join(images), _LONGEST_LIST)
        raise ConfigurationError(f"the reports have no image {shortened(unknown)} (there: {there})", where="--from")
    twice = tuple(name for name in report.coverage.checked_twice if name in names)
    planned = tuple(name for name in report.coverage.known if name in names)
    coverage = Coverage(planned, report.coverage.known, checked_twice=twice)
    chosen = tuple(images[name] for name in dict.fromkeys(names) if name in images)
    return report.model_copy(update={"images": chosen, "coverage": coverage})


def _graver(one: FittedImage, other: FittedImage) -> FittedImage:
    """Return the result without an answer, or else the one with the larger limit."""
    return max(one, other, key=lambda image: (image.survives_bytes is None, image.limit_bytes or 0))
