"""`membudget doctor`: makes the checks, and prints what each of them found as soon as it is known."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console

from membudget.cli.doctor_tools import DoctorTools
from membudget.core.errors import DoctorCheck, ExitCode
from membudget.measure.equipment import MeasuringOptions
from membudget.publish.servers import registry
from membudget.publish.workflow import guarded_log, show_json, warn
from membudget.setup import doctor_rendering as rendering
from membudget.setup.doctor import CheckFinding, examined, exit_code
from membudget.version import VERSION


def doctor(options: argparse.Namespace) -> ExitCode:
    """Run `membudget doctor`."""
    token = registry.take_token(os.environ)
    measuring = MeasuringOptions(VERSION, options.probe, options.helper_image, options.rate)
    wanted = tuple(check for check in DoctorCheck if not options.only or check in options.only)
    with DoctorTools(measuring, Path(options.budgets), options.base, token, warn) as surroundings:
        findings = _findings(surroundings, wanted)
        if options.json:
            found = list(findings)
            show_json(rendering.document(found, VERSION))
        else:
            found = _printed(findings)
    return exit_code(found)


def _findings(surroundings: DoctorTools, wanted: tuple[DoctorCheck, ...]) -> Iterator[CheckFinding]:
    looks = surroundings.looks()
    for check in wanted:
        with _shown(check):
            finding = examined(check, looks[check])
        yield finding


_SLOW = (DoctorCheck.ENGINE, DoctorCheck.PROBE, DoctorCheck.SELF_TEST, DoctorCheck.TOKEN)
"""The checks that may take seconds."""


def _shown(check: DoctorCheck) -> AbstractContextManager[object]:
    """Show on a terminal that a check is being made, if that may take seconds."""
    console = Console(stderr=True)
    return console.status(check) if console.is_terminal and check in _SLOW else nullcontext()


def _printed(findings: Iterator[CheckFinding]) -> list[CheckFinding]:
    console = Console()
    found = []
    with guarded_log(sys.stdout):
        for finding in findings:
            found.append(finding)
            if console.is_terminal:
                console.print(rendering.renderable(finding))
            else:
                print(rendering.line(finding), flush=True)
        print(f"\n{rendering.summary(found, VERSION)}")
    return found
