"""Runs `membudget measure`: one image, or several compared, without a budgets file."""

import argparse
import os
from collections.abc import Sequence

from membudget.budgets.auto_workload import AutoWorkload
from membudget.budgets.workload import CommandWorkload
from membudget.build.docker_images import inspect
from membudget.check import measure_images as measure_use_case
from membudget.cli.tools import MeasuringTools
from membudget.cli.wiring import connected_engine, layer_cache, progress_display
from membudget.core.errors import ConfigurationError, ExitCode
from membudget.engine.connection import Engine
from membudget.engine.run_id import own_run_id
from membudget.measure.equipment import MeasuringOptions, measuring
from membudget.measure.trial import TrialSpec
from membudget.publish.workflow import show, show_json
from membudget.report.formats import compare_report, measure_report
from membudget.report.formats.measure_report import MeasureReport
from membudget.version import VERSION

_TRIALS = 3
_TRIALS_TO_COMPARE = 5
"""Four trials of each image are the fewest that allow an interval of 95 %."""


def measure(options: argparse.Namespace) -> ExitCode:
    """Run `membudget measure`."""
    names: list[str] = options.images
    if len(set(names)) < len(names):
        raise ConfigurationError("an image is named twice", where="membudget measure", fix="name each image once")
    progress = progress_display(os.environ, is_quiet=options.quiet)
    command = tuple(options.container_command)
    workload = CommandWorkload(command=command) if command else AutoWorkload()
    trials = options.trials or (_TRIALS if len(names) == 1 else _TRIALS_TO_COMPARE)
    with connected_engine() as engine:
        ids = [_image_id(engine, name, is_first=name == names[0]) for name in names]
        specs = [
            TrialSpec(name, image_id, options.limit, options.timeout, workload)
            for name, image_id in zip(names, ids, strict=True)
        ]
        with measuring(engine, own_run_id(), measuring_options(options), progress.note) as runner:
            tools = MeasuringTools(engine, runner, layer_cache())
            reports = measure_use_case.run(specs, trials, tools, progress)
    return _show_measured(reports, options)


def _image_id(engine: Engine, name: str, *, is_first: bool) -> str:
    """Return the ID of an image. Raises ConfigurationError, with a hint if the name may be a command."""
    try:
        return inspect(engine, name).image_id
    except ConfigurationError as error:
        if is_first:
            raise
        raise ConfigurationError(error.what, fix=f"{error.fix}. A command goes after --") from None


def _show_measured(reports: Sequence[MeasureReport], options: argparse.Namespace) -> ExitCode:
    """Print one image's figures, or the comparison of several images. An image without figures is a failure."""
    if len(reports) > 1:
        compared = compare_report.compare_report(reports)
        document, is_measured = compared.model_dump_json(indent=1), compared.is_complete
        shown = compare_report.render_quietly(compared) if options.quiet else compare_report.render(compared)
    else:
        (report,) = reports
        document, is_measured = report.model_dump_json(indent=1), bool(report.judgeable_trials)
        shown = measure_report.render_quietly(report) if options.quiet else measure_report.render(report)
    if options.format == "json":
        show_json(document)
    else:
        show(shown)
    return ExitCode.WITHIN_BUDGET if is_measured else ExitCode.UNMEASURED


def measuring_options(options: argparse.Namespace) -> MeasuringOptions:
    """Return how to measure, by the options of a command."""
    return MeasuringOptions(VERSION, options.probe, options.helper_image, options.rate, getattr(options, "jobs", 1))
