"""Writes what a fit found into the text of a budgets file. Comments, order and layout stay as they are.

A comment above a value that says where the value came from is replaced, if `membudget init` or a fit wrote it.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

from membudget.budgets.editing import NewValue, NewValues, NotEditableError, edited
from membudget.budgets.entries import ImageSpec
from membudget.budgets.file import parse_budgets
from membudget.budgets.suggested import as_written
from membudget.budgets.value_comments import fitted, fitted_peak, is_generated
from membudget.core.errors import BudgetsFileError, ConfigurationError, EnvironmentFault
from membudget.core.quantities import MIB
from membudget.judge.fitted import FittedImage
from membudget.report.allowances import gap_finding
from membudget.report.fit_report import FitReport


def require_answers(report: FitReport) -> None:
    """Raise an error that says why nothing can be written, unless each image has an answer that means something."""
    if report.gaps:
        raise EnvironmentFault(
            f"nothing was written, because {gap_finding(report.gaps[0], 'fitted').as_text()}",
            where="--write",
            fix="fit what is missing and merge all parts, or name the images to write",
        )
    missing = [image.name for image in report.images if image.survives_bytes is None]
    if missing:
        raise EnvironmentFault(
            f"nothing was written, because {missing[0]} has no answer",
            where="--write",
            fix="fit and write the other images by name, or see above what to do",
        )
    growing = [image.name for image in report.images if not image.keeps_headroom]
    if growing:
        raise ConfigurationError(
            f"nothing was written, because no limit that was tried keeps the headroom of {growing[0]}:"
            " its memory grows with the limit",
            where=f"images.{growing[0]}.budgets.peak_rss.headroom",
            fix="limit what the runtime takes, or set a smaller headroom",
        )
    smallest = [image.name for image in report.images if image.tells_no_need]
    if smallest:
        raise ConfigurationError(
            f"nothing was written, because {smallest[0]} passes at the smallest limit that a container can be given",
            where="--write",
            fix="give it a workload that does what production does, or fit and write the other images by name",
        )


def with_fits(text: str, name: str, images: Sequence[FittedImage], day: date, checkout: Path | None = None) -> str:
    """Return the text of a budgets file with the limits, budgets and results of fits of this day.

    `name` is the file's name in messages. Raises ConfigurationError if the file cannot be edited, or if it would not be
    valid any more.
    """
    there = parse_budgets(text, name, checkout).images  # the user may have edited it meanwhile
    gone = next((image.name for image in images if image.name not in there), None)
    if gone is not None:
        what = f"nothing was written: the file has no image {gone} any more"
        raise ConfigurationError(what, where=name, fix="run the same command again")
    after = _edited(text, name, {image.name: _values(image, there[image.name]) for image in images})
    try:
        parse_budgets(after, name, checkout)
    except BudgetsFileError as error:
        raise ConfigurationError(
            f"nothing was written: with the limits of the fit, there would be {error.what}",
            where=name,
            fix="change these settings, then run the same command again: its trials are reused",
        ) from None
    return _with_comments(after, images, day)


def _with_comments(text: str, images: Sequence[FittedImage], day: date) -> str:
    """Return the text with new comments in place of those that membudget wrote above the values."""
    comments = {image.name: _comments(image, day) for image in images}
    lines = text.splitlines(keepends=True)
    wanted: Mapping[str, str] = {}
    for above, line in pairwise(range(len(lines))):
        if lines[line].startswith("["):
            wanted = comments.get(lines[line].strip().removeprefix("[images.").removesuffix("]"), {})
        key = lines[line].partition("=")[0].strip()
        content = lines[above].rstrip("\r\n")
        if key in wanted and content.startswith("#") and is_generated(content[1:]):
            lines[above] = f"# {wanted[key]}{lines[above][len(content) :]}"
    after = "".join(lines)
    return after if tomllib.loads(after) == tomllib.loads(text) else text  # else it was no comment, but in a string


def _comments(image: FittedImage, day: date) -> Mapping[str, str]:
    """Return the comment for each key that a fit sets."""
    if image.survives_bytes is None or image.limit_bytes is None:
        return {}
    comments = {"limit": fitted(day, image.survives_bytes, image.comfortable_bytes, image.limit_bytes, image.scale)}
    if image.peak_rss_max_bytes is not None:
        comments["budgets.peak_rss"] = fitted_peak(day, image.peak_rss_bytes, image.peak_rss_max_bytes)
    return comments


def _values(image: FittedImage, there: ImageSpec) -> NewValues:
    """Return what to set in the table of an image. Sizes that are unknown are left out.

    A limit that comes from a manifest stays there: a key of the budgets file would count before it.
    """
    fit = {"survives": image.survives_bytes, "comfortable": image.comfortable_bytes, "peak_rss": image.peak_rss_bytes}
    values: dict[str, NewValue] = {}
    is_of_manifest = there.kubernetes is not None and there.limit is None
    if image.limit_bytes is not None and not is_of_manifest:
        values["limit"] = as_written(image.limit_bytes)
    if image.peak_rss_max_bytes is not None:
        values["budgets"] = {"peak_rss": {"max": as_written(image.peak_rss_max_bytes)}}
    values["fit"] = {key: _in_mib(size) for key, size in fit.items() if size is not None}
    return values


def _in_mib(size_bytes: int) -> str:
    """Return a measured size in MiB, with two digits: "46.25MiB". That is exact for limits, in steps of 256 KiB."""
    return f"{size_bytes / MIB:.2f}".rstrip("0").rstrip(".") + "MiB"


def _edited(text: str, name: str, wanted: Mapping[str, NewValues]) -> str:
    try:
        return edited(text, {("images", image): values for image, values in wanted.items()})
    except NotEditableError as error:
        what, fix = f"nothing was written: {error}", "set the values above by hand"
        raise ConfigurationError(what, where=name, fix=fix) from None
