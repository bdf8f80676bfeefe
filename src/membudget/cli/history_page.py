"""Runs `membudget history page`: the history as one HTML file. No engine."""

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from membudget.build.commit_pages import checked_prefix, commit_pages
from membudget.build.git import GitRepository
from membudget.build.git_main import main_commits, tag_names
from membudget.build.revision import MainCommit
from membudget.cli.history_reading import chosen_series, fetched_store, metrics_of
from membudget.core.errors import ConfigurationError, EnvironmentFault, ExitCode, shortened
from membudget.core.files import STDOUT, write_or_print
from membudget.history.kind_line import KindLines
from membudget.history.line import SkippedLines
from membudget.history.marked_steps import marked_steps
from membudget.history.series import MetricSeries
from membudget.history.step_line import StepLine, places_of
from membudget.history.steps import SuspectedStep, suspected_steps
from membudget.publish.workflow import warn
from membudget.report.formats.history import skipped_words
from membudget.report.page.trend_page import Trends, render


def page(options: argparse.Namespace) -> ExitCode:
    """Run `membudget history page`. A history without figures has a page that says so."""
    pages = _commit_pages(options.commit_pages)
    metrics_of(options.metric or ())  # before anything is fetched
    store = fetched_store(options)
    repository = GitRepository(Path.cwd())
    skipped = SkippedLines()
    commits = main_commits(repository, options.revision, options.last)[::-1]
    now = datetime.now(UTC)
    searches = KindLines(StepLine, now, skipped)
    found = chosen_series(store, commits, options, skipped, searches)
    suspected, why_none = _suspected(found)
    places = places_of([commit.sha for commit in commits])
    remarks = list(skipped_words(skipped.all()))
    trends = Trends(
        name=_name(repository),
        commits=commits,
        series=found,
        releases=_releases(repository, commits),
        steps=marked_steps(found, suspected, searches.found, places, now),
        commit_pages=pages or commit_pages(repository.setting("remote.origin.url"), os.environ),
        remarks=[*remarks, *([why_none] if why_none else [])],
    )
    for remark in trends.remarks:
        warn(remark)
    write_or_print(render(trends), options.output, "the page")
    images = len({series.image for series in found})
    if options.output != STDOUT:
        print(f"{options.output} shows {_count(images, 'image')} over {_count(len(commits), 'commit')}")
    return ExitCode.WITHIN_BUDGET


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


def _commit_pages(given: str | None) -> str | None:
    if given is None:
        return None
    found = checked_prefix(given)
    if found is None:
        what = f"--commit-pages: {shortened(given)} is not a web address"
        raise ConfigurationError(what, fix="give what a commit's ID is added to: https://git.example.com/shop/commit/")
    return found


def _suspected(found: Sequence[MetricSeries]) -> tuple[tuple[SuspectedStep, ...], str | None]:
    """Return the suspected steps, or why there are none."""
    try:
        return suspected_steps(found), None
    except EnvironmentFault as fault:
        return (), f"Suspected steps are not marked: {fault.what}. {fault.fix}"


def _releases(repository: GitRepository, commits: Sequence[MainCommit]) -> list[tuple[str, str]]:
    names = tag_names(repository)
    return [(commit.sha, ", ".join(names[commit.sha])) for commit in commits if commit.sha in names]


def _name(repository: GitRepository) -> str:
    """Return the name of the repository: as its remote has it, or else that of its folder."""
    remote = repository.setting("remote.origin.url") or ""
    name = remote.rstrip("/").removesuffix(".git").replace(":", "/").rpartition("/")[2]
    return name or repository.top.name
