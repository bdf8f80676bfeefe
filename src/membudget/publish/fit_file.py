"""Reads and writes the reports of fits. When reading, a stranger may have written the file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from membudget.core.errors import ConfigurationError
from membudget.core.files import write_text
from membudget.publish.report_file import READING, parse_report
from membudget.publish.strict_json import ReportReading, impossible_parts, parse_model, read_bounded, report_files
from membudget.report.fit_report import FitReport
from membudget.report.report import Report

_LARGEST_BYTES = 20_000_000
"""A thousand images with twenty rungs each need ten million. All parts of a fit are no larger than this together."""

_KEY = b'"fit_version"'
_BEGINNING_BYTES = 200
"""Where the report of a fit says that it is one."""


def write_fit(report: FitReport, path: Path) -> None:
    """Write the whole file or nothing. Raises EnvironmentFault."""
    write_text(report.model_dump_json(indent=1), path, "the report")


def read_fits(paths: Sequence[Path]) -> dict[str, FitReport]:
    """Read the reports of fits in files and in all `*.json` below folders.

    Returns them by file name. Raises ConfigurationError, without quoting a file that is not exactly such a report.
    """
    found, total = {}, 0
    for file in report_files(paths, "fit"):
        data = read_bounded(file, _READING)
        total += len(data)
        if total > _LARGEST_BYTES:
            what = f"together with the other reports, it has more than {_LARGEST_BYTES:,} bytes"
            raise ConfigurationError(what, where=str(file))
        found[str(file)] = parse_fit(data, str(file))
    return found


def read_fit(path: Path) -> FitReport:
    """Read the report of a fit. Raises ConfigurationError, without quoting the file, if it is not exactly one."""
    return parse_fit(read_bounded(path, _READING), str(path))


def read_check_or_fit(path: Path) -> Report | FitReport:
    """Read the report of a check or of a fit. Raises ConfigurationError, without quoting a file that is neither."""
    data = read_bounded(path, READING)
    return parse_fit(data, str(path)) if _KEY in data[:_BEGINNING_BYTES] else parse_report(data, str(path))


def refuse_fits(paths: Sequence[Path]) -> None:
    """Raise ConfigurationError if one of the reports is of a fit, and a check's was wanted."""
    for file in report_files(paths, "check"):
        if _KEY in read_bounded(file, READING)[:_BEGINNING_BYTES]:
            raise ConfigurationError(
                "is the report of a fit", where=str(file), fix="combine reports of fits with `membudget fit --from`"
            )


def parse_fit(data: bytes, where: str) -> FitReport:
    """Parse the report of a fit. Raises ConfigurationError, without quoting it, if it is not exactly one."""
    return parse_model(data, where, _READING)


def _inconsistencies(report: FitReport) -> Iterator[str]:
    """Yield what `fit` never writes: images twice, limits in an impossible order, and counts that do not add up."""
    names = [image.name for image in report.images]
    if len(set(names)) < len(names):
        yield "two images have the same name"
    if report.coverage.known or report.shard is not None:
        yield from impossible_parts(report.shard, report.coverage, names)
    for image in report.images:
        least = image.survives_bytes
        follows = [size for size in (image.comfortable_bytes, image.limit_bytes) if size is not None]
        if follows and (least is None or min(follows) < least):
            yield "a limit is below the one that survives"
        if any(rung.passed + rung.killed > rung.trials or not rung.trials for rung in image.rungs):
            yield "the outcomes of a rung do not add up"


_READING = ReportReading(FitReport, _inconsistencies, _LARGEST_BYTES, "report of a fit", "fit", "fit and merge")
