"""Runs `membudget history badge`: the newest figure of an image and its budget. No engine."""

import argparse
from itertools import groupby
from pathlib import Path

from membudget.build.git import GitRepository
from membudget.build.git_main import main_commits
from membudget.cli.history_reading import fetched_store, metrics_of, points_in
from membudget.core.errors import ExitCode, shortened
from membudget.core.files import write_or_print
from membudget.core.metrics import Metric
from membudget.history.line import HistoryLine, SkippedLines, line_filter
from membudget.history.standing import Newest
from membudget.publish.workflow import warn
from membudget.report.formats.badge import render_shields, render_svg
from membudget.report.formats.history import skipped_words


def badge(options: argparse.Namespace) -> ExitCode:
    """Run `membudget history badge`. An image without figures has a badge that says so."""
    (metric,) = metrics_of([options.metric])
    skipped = SkippedLines()
    line = _newest(options, metric, skipped)
    for sentence in skipped_words(skipped.all()):
        warn(sentence)
    if line is None:
        warn(f"the history has no {metric} of {shortened(options.image)}, so the badge says `unknown`")
    label = options.label if options.label is not None else metric.definition.label
    render = render_svg if options.format == "svg" else render_shields
    write_or_print(render(Newest.of(metric, line), label), options.output, "the badge")
    return ExitCode.WITHIN_BUDGET


def _newest(options: argparse.Namespace, metric: Metric, skipped: SkippedLines) -> HistoryLine | None:
    """Return the line of the newest commit that has one. Unchanged images have none, so it may be far back."""
    store = fetched_store(options)
    commits = main_commits(GitRepository(Path.cwd()), options.revision)
    points = points_in(store, commits, skipped, line_filter({options.image}, {metric}))
    wanted = (point for point in points if (point.line.image, point.line.metric) == (options.image, metric))
    newest = next(groupby(wanted, key=lambda point: point.commit.sha), None)
    return list(newest[1])[-1].line if newest is not None else None
