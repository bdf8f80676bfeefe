"""`membudget validate`. Separate from `commands`, so that it starts fast and needs no engine.

Linters write to standard output, and so does this command: its findings are its result.
"""

import argparse
import os
import sys
from pathlib import Path

from membudget.core.errors import ExitCode
from membudget.publish.pull_request import LinesOfFile
from membudget.publish.workflow import (
    MOST_ANNOTATIONS,
    error_annotation,
    guarded_log,
    obeys_commands,
    show_json,
)
from membudget.setup.finding import Validation, as_json, as_text
from membudget.setup.validate import validate as validate_files


def validate(options: argparse.Namespace) -> ExitCode:
    """Run `membudget validate`."""
    validation = validate_files(options.files, Path.cwd())
    if options.json:
        show_json(as_json(validation))
        return validation.exit_code
    with guarded_log(sys.stdout):
        sys.stdout.write(as_text(validation))
    if obeys_commands(os.environ):
        _annotate(validation)
    return validation.exit_code


def _annotate(validation: Validation) -> None:
    """Mark the errors in the files of a pull request."""
    errors = [finding.problem for finding in validation.findings if not finding.is_warning]
    for problem in errors[:MOST_ANNOTATIONS]:
        place = LinesOfFile(problem.file, problem.line or 1, problem.line or 1)
        print(error_annotation(problem.key or problem.file, problem.message, place))
