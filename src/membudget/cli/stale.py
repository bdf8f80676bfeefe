"""Runs `membudget backfill --stale`: measures images again whose last figure is old, within a given time."""

import argparse
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from membudget.build.git import GitRepository
from membudget.build.git_main import main_commits
from membudget.build.history_place import joined
from membudget.build.revision import MainCommit
from membudget.check.check import CheckRequest
from membudget.cli.action import ActionInputs, Parse
from membudget.cli.backfill import Reuse, commit_tools, measured, of_commit, request_of_figures
from membudget.cli.history_reading import fetched, points_in, store_to_fill
from membudget.cli.history_store import (
    HistoryStore,
    keep,
    lines_of_report,
    machine_of,
    need_all_commits,
    text_of,
)
from membudget.cli.wiring import connected_engine, progress_display
from membudget.core.errors import EnvironmentFault, ExitCode, shortened
from membudget.core.metrics import Metric
from membudget.engine.connection import Engine
from membudget.history.kind_line import KindLines
from membudget.history.line import LONGEST_MS, SkippedLines, line_filter
from membudget.history.record import machine_class
from membudget.history.stale import AttemptLine, Night, last_figures
from membudget.publish.servers import registry
from membudget.publish.workflow import warn
from membudget.report.formats.history import skipped_words
from membudget.report.report import Report

_LONGEST_LIST = 400


def refresh(options: argparse.Namespace) -> ExitCode:
    """Run `membudget backfill --stale`."""
    return _refresh(options, registry.take_token(os.environ))


def refresh_in_step(inputs: ActionInputs, parse: Parse) -> ExitCode:
    """Run it in a step of a workflow, by the action's inputs. What was measured is pushed."""
    return _refresh(inputs.backfill_options(parse), inputs.github_token)


def _refresh(options: argparse.Namespace, token: SecretStr) -> ExitCode:
    """Measure stale images at the newest commit. Keep each round at once, so that a run that is ended loses little."""
    elapsed_ms = partial(_elapsed_ms, time.monotonic())
    repository = GitRepository(Path.cwd())
    need_all_commits(repository, "--stale", "nobody knows how old the figures are")
    store = fetched(store_to_fill(repository, options, token), options)
    progress = progress_display(os.environ)
    request = request_of_figures(repository, options)
    commits = main_commits(repository, "HEAD")
    kept: set[str] = set()
    keeper = _Keeper(store, commits[0].sha, pushes=options.push)
    with connected_engine() as engine:
        night = _night(request, commits, store, engine, options)
        due = len(night.due)
        while night.due:
            with commit_tools(engine, repository, options, progress, Reuse.NOTHING) as tools:
                begun_ms = elapsed_ms()
                images = night.next_images(begun_ms, tools.jobs)
                if not images:
                    break
                progress.note(f"{len(night.begun)} of {due} stale images: {', '.join(images)}")
                report = measured(of_commit(request, commits[0], images), tools, progress)
            lines = [line.model_copy(update={"refresh": True}) for line in lines_of_report(report, commits[0].sha[:12])]
            new = {line.image for line in lines if line.metric is Metric.PEAK_RSS}
            failed = _failed(report, [image for image in images if image not in new], elapsed_ms() - begun_ms)
            keeper.keep(text_of(lines) + b"".join(line.text() + b"\n" for line in failed))
            night.learn({line.image: line.took_ms for line in lines if line.image in new and line.took_ms is not None})
            kept |= new
    keeper.finish()
    _tell(night, kept)
    return ExitCode.WITHIN_BUDGET


@dataclass(slots=True)
class _Keeper:
    """Keeps each round at once: in this clone, and at the remote if it is pushed."""

    store: HistoryStore
    commit: str
    pushes: bool
    unpushed: bytes = b""

    def keep(self, lines: bytes) -> None:
        """Add the lines of a round. If they cannot be pushed, the next round pushes them. Raises EnvironmentFault."""
        self.store.append({self.commit: lines})
        if not self.pushes:
            return
        self.unpushed = joined(self.unpushed, lines)
        try:
            self._push()
        except EnvironmentFault as fault:
            warn(f"the figures are kept in this clone, and pushed later: {fault}")

    def finish(self) -> None:
        """Push what could not be pushed before. Raises EnvironmentFault."""
        if self.unpushed:
            self._push()

    def _push(self) -> None:
        keep(self.store, {self.commit: self.unpushed}, pushes=True)
        self.unpushed = b""


def _failed(report: Report, images: Collection[str], took_ms: int) -> list[AttemptLine]:
    """Return the lines about images that got no figure, so that they wait behind the others next time."""
    return [
        AttemptLine(
            image=image,
            commit=report.comparison.head.sha,
            time=report.started_at,
            machine=machine_of(report.environment),
            took_ms=min(took_ms, LONGEST_MS),
            membudget=report.membudget_version,
        )
        for image in images
    ]


def _elapsed_ms(begun_s: float) -> int:
    return round(1000 * (time.monotonic() - begun_s))


def _night(
    request: CheckRequest,
    commits: Sequence[MainCommit],
    store: HistoryStore,
    engine: Engine,
    options: argparse.Namespace,
) -> Night:
    """Return what is due, and what the history knows of its duration."""
    info, now, skipped = engine.info, datetime.now(UTC), SkippedLines()
    machine, attempts = (
        machine_class(info.platform, info.cgroup_version, info.cpus),
        KindLines(AttemptLine, now, skipped),
    )
    points = points_in(store, commits, skipped, line_filter((), {Metric.PEAK_RSS}), attempts)
    last = last_figures(points, attempts.found, list(request.rules.images), machine)
    for sentence in skipped_words(skipped.all()):
        warn(sentence)
    due = [one.image for one in last if one.is_older(options.stale, now)]
    known = {one.image: one.took_ms for one in last if one.took_ms is not None}
    failed = {one.image: one.failed_ms for one in last if one.failed_ms is not None}
    return Night(due, known, options.time_budget, failed)


def _tell(night: Night, kept: Collection[str]) -> None:
    for image in night.begun:
        if image not in kept:
            warn(f"{image} has no new figures: it does not build or does not run")
    print(f"{len(kept)} of {len(night.begun) + len(night.due)} stale images were measured")
    if night.due:
        print(f"left for the next run: {shortened(', '.join(night.due), _LONGEST_LIST)}")
