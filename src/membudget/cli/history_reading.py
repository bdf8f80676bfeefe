"""Reads of the history what the arguments of a command choose."""

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from membudget.build.git import GitRepository
from membudget.build.history_place import parse_place
from membudget.build.revision import MainCommit
from membudget.cli.history_store import HistoryStore, pushable, store_of
from membudget.core.errors import ConfigurationError, shortened
from membudget.core.metrics import Metric
from membudget.history.kind_line import KindLines
from membudget.history.line import LARGEST_NOTE_BYTES, SkippedLines, line_filter
from membudget.history.series import MetricSeries, SeriesPoint, points_of, series_of
from membudget.history.stale import AttemptLine
from membudget.history.step_line import StepLine
from membudget.publish.servers import registry

_LONGEST_LIST = 400


def opened_store(options: argparse.Namespace) -> HistoryStore:
    """Return the store that the options name. Nothing is fetched."""
    token = registry.take_token(os.environ)
    return store_of(GitRepository(Path.cwd()), parse_place(options.place), token)


def store_to_fill(repository: GitRepository, options: argparse.Namespace, token: SecretStr) -> HistoryStore:
    """Return the store that the options name. Nothing is fetched.

    Raises ConfigurationError if they say `--push` and it cannot push, before anything is measured or told.
    """
    store = store_of(repository, parse_place(options.place), token)
    if options.push:
        pushable(store)
    return store


def fetched(store: HistoryStore, options: argparse.Namespace) -> HistoryStore:
    """Return the store as the remote has it, unless the options say `--no-fetch`."""
    if store.has_remote and not options.no_fetch:
        store.fetch()
    return store


def fetched_store(options: argparse.Namespace) -> HistoryStore:
    """Return the store that the options name, as the remote has it, unless they say `--no-fetch`."""
    return fetched(opened_store(options), options)


def points_in(
    store: HistoryStore,
    commits: Sequence[MainCommit],
    skipped: SkippedLines,
    only: re.Pattern[bytes] | None = None,
    collector: KindLines[StepLine] | KindLines[AttemptLine] | None = None,
) -> Iterator[SeriesPoint]:
    """Yield what the store has about commits, in their order. `only` is a `line_filter`, which lets others pass too.

    `collector` gets the lines of its kind as the points are read.
    """
    notes = store.notes([commit.sha for commit in commits], LARGEST_NOTE_BYTES)
    notes = collector.passing(notes) if collector is not None else notes
    return points_of(commits, notes, datetime.now(UTC), skipped, only)


def chosen_series(
    store: HistoryStore,
    commits: Sequence[MainCommit],
    options: argparse.Namespace,
    skipped: SkippedLines,
    searches: KindLines[StepLine] | None = None,
) -> list[MetricSeries]:
    """Return the series of the images and metrics that the options name. `commits` are oldest first.

    `searches` collects what the history has about searches for steps.
    """
    images, metrics = frozenset(options.images), metrics_of(options.metric or ())
    points = points_in(store, commits, skipped, line_filter(images, metrics), searches)
    return series_of(
        point
        for point in points
        if (not images or point.line.image in images) and (not metrics or point.line.metric in metrics)
    )


def metrics_of(names: Sequence[str]) -> frozenset[Metric]:
    """Return the metrics with these names. Raises ConfigurationError."""
    known = {metric.value: metric for metric in Metric}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        there = shortened(", ".join(known), _LONGEST_LIST)
        raise ConfigurationError(f"--metric: there is no metric {shortened(unknown)} (there are: {there})")
    return frozenset(known[name] for name in names)
