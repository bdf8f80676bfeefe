"""Runs `membudget history`: keeps figures of the main branch, and shows them. No engine."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.git_main import main_commits
from membudget.build.history_place import joined, parse_place
from membudget.cli.history_reading import chosen_series, fetched_store, metrics_of, opened_store
from membudget.cli.history_store import keep, lines_of_report, store_of, text_of
from membudget.core.errors import ConfigurationError, ExitCode, shortened
from membudget.core.files import STDOUT, write_or_print
from membudget.history.line import LARGEST_NOTE_BYTES, SkippedLines
from membudget.history.series import MetricSeries
from membudget.publish import workflow
from membudget.publish.report_file import read_report
from membudget.publish.servers import registry
from membudget.publish.strict_json import report_files
from membudget.publish.workflow import warn
from membudget.report.formats import history as formats
from membudget.report.formats import history_chart
from membudget.report.formats.history_openmetrics import render_openmetrics


def show(options: argparse.Namespace) -> ExitCode:
    """Run `membudget history list`."""
    metrics_of(options.metric or ())  # before anything is fetched
    store = fetched_store(options)
    skipped = SkippedLines()
    commits = main_commits(GitRepository(Path.cwd()), options.revision, options.last)[::-1]
    found = chosen_series(store, commits, options, skipped)
    sentences = list(formats.skipped_words(skipped.all()))
    for sentence in sentences:
        warn(sentence)
    if not found:
        warn("the history has no such figures. To keep those of a check, run `membudget history record`")
    _show(found, sentences, options)
    return ExitCode.WITHIN_BUDGET


def _show(found: Sequence[MetricSeries], sentences: Sequence[str], options: argparse.Namespace) -> None:
    match options.format:
        case "csv":
            text = formats.render_csv(found)
        case "json":
            text = formats.render_json(found, sentences)
        case "openmetrics":
            text = render_openmetrics(found)
        case _:
            if options.output not in (None, STDOUT):
                what = f"--output is not for --format {options.format}"
                raise ConfigurationError(what, fix="use csv, json or openmetrics")
            if found:
                is_chart = options.format == "chart"
                workflow.show(history_chart.render_charts(found) if is_chart else formats.render_table(found))
            return
    write_or_print(text, options.output, f"the history as {options.format}")


def record(options: argparse.Namespace) -> ExitCode:
    """Run `membudget history record`."""
    token = registry.take_token(os.environ)
    repository, path = GitRepository(Path.cwd()), Path(options.report)
    report = read_report(path)
    commit, head = repository.commit(options.commit), report.comparison.head.sha
    if commit is None or commit.sha != head:
        raise ConfigurationError(
            f"the report is about commit {head[:12]}, which is not {shortened(options.commit)}",
            where=str(path),
            fix="check that commit out and run `membudget check`, or name the commit with --commit",
        )
    if report.shard is not None:
        raise ConfigurationError("it is a part of a check", where=str(path), fix="combine the parts: membudget merge")
    lines = lines_of_report(report, str(path))
    if not lines:
        warn(f"no image changed at {head[:12]}, so there are no figures to keep")
        return ExitCode.WITHIN_BUDGET
    keep(store_of(repository, parse_place(options.place), token), {head: text_of(lines)}, pushes=options.push)
    print(f"{len(lines)} lines about {head[:12]} are kept in {parse_place(options.place)}")
    return ExitCode.WITHIN_BUDGET


def import_reports(options: argparse.Namespace) -> ExitCode:
    """Run `membudget history import`."""
    token = registry.take_token(os.environ)
    repository = GitRepository(Path.cwd())
    known = {commit.sha for commit in main_commits(repository, options.revision)}
    found: dict[str, bytes] = {}
    for path in report_files([Path(name) for name in options.reports], "check"):
        report = read_report(path)
        head = report.comparison.head.sha
        if head not in known:
            warn(f"{path} is skipped: its commit {head[:12]} is not on the branch of {options.revision}")
            continue
        found[head] = joined(found.get(head, b""), text_of(lines_of_report(report, str(path))))
    found = {commit: text for commit, text in found.items() if text}
    if found:
        keep(store_of(repository, parse_place(options.place), token), found, pushes=options.push)
    print(f"the figures of {len(found)} commits are kept in {parse_place(options.place)}")
    return ExitCode.WITHIN_BUDGET


def push(options: argparse.Namespace) -> ExitCode:
    """Run `membudget history push`."""
    store = opened_store(options)
    if not isinstance(store, GitHistory) or not store.has_remote:
        raise ConfigurationError("there is nothing to push to", fix="add a remote `origin`, and use notes or a branch")
    store.fetch()
    kept = store.unpushed(LARGEST_NOTE_BYTES)
    lines = store.about_known_commits(kept)
    if len(lines) < len(kept):
        gone = len(kept) - len(lines)
        which = "1 commit are" if gone == 1 else f"{gone} commits are"
        warn(f"the figures of {which} not pushed: this clone does not have the commit")
    if lines:
        store.push(lines)
    print(f"the figures of {len(lines)} commits were pushed")
    return ExitCode.WITHIN_BUDGET
