"""`report.json` on disk. Written by whoever measured; read as something a stranger may have written."""

import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from membudget.errors import ConfigurationError, EnvironmentFault
from membudget.report.report import LARGEST_REPORT_BYTES, Report


def write_report(report: Report, path: Path) -> None:
    """Write the whole file or none of it. Raises EnvironmentFault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(report.model_dump_json(indent=1))
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EnvironmentFault(f"the report cannot be written: {error.strerror}", where=str(path)) from None


def read_report(path: Path) -> Report:
    """The report in a file. Raises ConfigurationError for anything that is not exactly one, without quoting it."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_REPORT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"the report cannot be read: {error.strerror}", where=str(path)) from None
    if len(data) > LARGEST_REPORT_BYTES:
        raise ConfigurationError(f"the report has more than {LARGEST_REPORT_BYTES} bytes", where=str(path))
    try:
        return Report.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or step.isidentifier())
        raise ConfigurationError(
            f"is no report of this version of membudget: {error.error_count()} problems, the first at"
            f" {location or 'its top'}: {first['type']}",
            where=str(path),
            fix="check and publish with the same version of membudget",
        ) from None
