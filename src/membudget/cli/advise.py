"""Runs `membudget advise`: reads a report, and shows what follows from it for the place of deployment. No engine."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from membudget.core.errors import ConfigurationError, ExitCode, shortened
from membudget.judge.measurement import ImageMeasurement
from membudget.publish.report_file import read_report
from membudget.publish.workflow import guarded_log, show, show_json
from membudget.report.advice import advice
from membudget.report.formats.advice import AdviceReport, image_advice, render, render_markdown, render_yaml
from membudget.report.report import Report
from membudget.version import VERSION

_LONGEST_LIST = 200


def advise(options: argparse.Namespace) -> ExitCode:
    """Run `membudget advise`. Exits with 3 if an image has no figures to advise from."""
    images = _chosen(options.images, read_report(Path(options.report)))
    found = [advice(image, options.hpa_target) for image in images]
    match options.format:
        case "json":
            figures = tuple(map(image_advice, found))
            report = AdviceReport(membudget_version=VERSION, hpa_target_percent=options.hpa_target, images=figures)
            show_json(report.model_dump_json(indent=1))
        case "markdown":
            with guarded_log(sys.stdout):
                print(render_markdown(found, images), end="")
        case "yaml":
            with guarded_log(sys.stdout):
                print(render_yaml(found), end="")
        case _:
            show(render(found, images))
    return ExitCode.WITHIN_BUDGET if all(one.sizing is not None for one in found) else ExitCode.UNMEASURED


def _chosen(names: Sequence[str], report: Report) -> list[ImageMeasurement]:
    """Return the named images, in the order of the command line, or all that head has."""
    known = {image.name: image for image in report.images if image.head is not None}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        there = shortened(", ".join(known), _LONGEST_LIST)
        raise ConfigurationError(f"the report has no image {shortened(unknown)} (it has: {there})")
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())
