"""What becomes of the results of fits: they are shown, kept as a report, and written to the budgets file."""

import argparse
import os
import sys
from pathlib import Path

from membudget.advise.merge import merge, only
from membudget.advise.subjects import digest_of
from membudget.advise.writing import require_answers, with_fits
from membudget.budgets import file as budgets_file
from membudget.build.docker_bake import BuildxBake
from membudget.build.git import GitRepository
from membudget.cli.request import head_budgets
from membudget.cli.wiring import cache_folder
from membudget.core.errors import ConfigurationError, EnvironmentFault, ExitCode
from membudget.core.files import remove_report, write_whole
from membudget.core.progress import Progress
from membudget.measure.cache import Took, remember_durations
from membudget.publish.fit_file import read_fits, write_fit
from membudget.publish.workflow import guarded_log, show, show_json
from membudget.report.fit_report import FitReport
from membudget.report.formats.fit_report import render, render_markdown


def of_earlier_fits(options: argparse.Namespace, progress: Progress) -> ExitCode:
    """Show what earlier fits found, and maybe write it. Needs no engine, and a repository only for --write."""
    if options.container_command or options.shard is not None:
        raise ConfigurationError(
            "--from runs nothing, so it takes neither --shard nor a command", where="membudget fit", fix="leave it out"
        )
    try:
        report = merge(read_fits([Path(path) for path in options.reports]))
    finally:
        if options.report is not None:  # it may be one of those that were read
            remove_report(Path(options.report))
    if options.images:
        report = only(report, options.images)
    remember(report)
    if options.write:
        require_writable(Path(options.budgets))
    show_results(report, options)
    if options.write:
        require_answers(report)
        _require_same(report, Path(options.budgets))
        write_limits(report, Path(options.budgets), progress)
    return report.exit_code


def remember(report: FitReport) -> None:
    """Keep how long each fit took, for `plan --fit`. One that reused trials does not tell."""
    whole = (image for image in report.images if image.survives_bytes is not None and not image.reused)
    remember_durations(cache_folder(), {image.name: image.duration_ms for image in whole}, Took.FIT)


def show_results(report: FitReport, options: argparse.Namespace) -> None:
    """Write the report if a file is named, and print it."""
    if options.report is not None:
        write_fit(report, Path(options.report))
    match options.format:
        case "json":
            show_json(report.model_dump_json(indent=1))
        case "markdown":
            with guarded_log(sys.stdout):
                print(render_markdown(report))
        case _:
            show(render(report))


def require_writable(path: Path) -> None:
    """Raise ConfigurationError if the budgets file cannot be replaced. A fit may take an hour before it is."""
    target = path.resolve()
    if not (os.access(target, os.W_OK) and os.access(target.parent, os.W_OK)):
        raise ConfigurationError(
            "the budgets file cannot be written", where=str(path), fix="make it writable, or leave --write out"
        )


def write_limits(report: FitReport, path: Path, progress: Progress) -> None:
    """Write the limits into the budgets file as it is now, in one step. A link stays a link."""
    text = budgets_file.read(path)
    day = report.started_at.date()
    edited = with_fits(text, str(path), report.images, day, GitRepository(Path.cwd()).top)
    target = path.resolve()
    try:
        write_whole(target, edited.encode(), mode=target.stat().st_mode & 0o777)
    except OSError as error:
        raise EnvironmentFault(f"the budgets file cannot be written: {error.strerror}", where=str(path)) from None
    progress.note(f"{path} was written: look at the change, then commit it")


def _require_same(report: FitReport, path: Path) -> None:
    """Raise ConfigurationError unless the report is of the commit and the budgets file that are here."""
    if report.commit is None or report.budgets_digest is None:
        raise ConfigurationError(
            "nothing was written: the images of this report are not those of a budgets file", where="--write"
        )
    repository = GitRepository(Path.cwd())
    head = repository.head(without_one=f"check out {report.commit}, which was fitted")
    if head.sha != report.commit:
        raise ConfigurationError(
            f"nothing was written: commit {report.commit[:12]} was fitted, and this is {head.sha[:12]}",
            where="--write",
            fix=f"git checkout {report.commit}, or fit again",
        )
    if digest_of(head_budgets(repository, head, path, BuildxBake())) != report.budgets_digest:
        raise ConfigurationError(
            "nothing was written: the images have changed in this file since they were fitted",
            where=str(path),
            fix="undo the changes, or fit again",
        )
