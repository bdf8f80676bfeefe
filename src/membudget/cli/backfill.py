"""Runs `membudget backfill`: measures earlier commits of the branch as `check` does, and keeps their figures."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from membudget.build.docker_build import Builder
from membudget.build.git import GitRepository
from membudget.build.git_main import commits_after, main_commits
from membudget.build.git_workspace import workspace
from membudget.build.history_place import parse_place
from membudget.build.revision import BaseRequest, Commit, MainCommit
from membudget.build.sources import BaseVariants
from membudget.check import check as check_use_case
from membudget.check.check import CheckRequest
from membudget.cli.history_store import HistoryStore, keep, lines_of_report, store_of, text_of
from membudget.cli.measure import measuring_options
from membudget.cli.request import Wanted, check_request
from membudget.cli.tools import CheckTools
from membudget.cli.wiring import cache_folder, connected_engine, layer_cache, progress_display
from membudget.core.errors import ConfigurationError, ExitCode, shortened
from membudget.core.progress import Progress
from membudget.engine.connection import Engine
from membudget.engine.run_id import own_run_id
from membudget.history.line import LARGEST_NOTE_BYTES, SkippedLines
from membudget.history.record import machine_class
from membudget.history.series import points_of
from membudget.measure.cache import ResultCache
from membudget.measure.equipment import measuring
from membudget.publish.servers import registry
from membudget.publish.workflow import warn
from membudget.version import VERSION


def backfill(options: argparse.Namespace) -> ExitCode:
    """Run `membudget backfill`. Each commit is kept once it was measured, so that the next run continues there."""
    token = registry.take_token(os.environ)
    repository = GitRepository(Path.cwd())
    store = store_of(repository, parse_place(options.place), token)
    if store.has_remote and not options.no_fetch:
        store.fetch()
    commits = _chosen(repository, options.since, options.every)
    progress = progress_display(os.environ)
    wanted = Wanted(Path(options.budgets), BaseRequest(none=True), only=tuple(options.images), is_local=True)
    request = check_request(repository, wanted, None)
    request = replace(request, rules=replace(request.rules, manifests=()), budgets_text=None)
    measured: dict[str, bytes] = {}
    with connected_engine() as engine:
        info = engine.info
        machine = machine_class(info.platform, info.cgroup_version, info.cpus)
        left = list(_unmeasured(commits, store, machine))
        for number, commit in enumerate(left, start=1):
            progress.note(f"commit {number} of {len(left)}: {commit.sha[:12]} {shortened(commit.subject)}")
            with _tools(engine, repository, options, progress) as tools:  # anew, so that images of each are removed
                lines = _measured(replace(request, head=Commit(commit.sha, commit.subject)), tools, progress)
            if lines:
                store.append({commit.sha: lines})
                measured[commit.sha] = lines
            else:
                warn(f"{commit.sha[:12]} has no figures: its images do not build or do not run")
    if options.push and measured:
        keep(store, measured, pushes=True)
    print(f"{len(measured)} of {len(commits)} commits were measured, {len(commits) - len(left)} were known")
    return ExitCode.WITHIN_BUDGET


def _chosen(repository: GitRepository, since: str, every: int) -> list[MainCommit]:
    """Return every Nth commit since a revision, oldest first, with the newest. Raises ConfigurationError."""
    commits = main_commits(repository, "HEAD")
    index = commits_after(repository, commits[0].sha, since)
    if index is None:
        raise ConfigurationError(f"{shortened(since)} is not a commit of this repository", where="--since")
    return commits[: index + 1][::every][::-1]


def _unmeasured(commits: Sequence[MainCommit], store: HistoryStore, machine: str) -> Iterator[MainCommit]:
    """Yield the commits that such a machine has not measured yet."""
    notes = store.notes([commit.sha for commit in commits], LARGEST_NOTE_BYTES)
    points = points_of(commits, notes, datetime.now(UTC), SkippedLines())
    known = {point.commit.sha for point in points if point.line.machine == machine}
    yield from (commit for commit in commits if commit.sha not in known)


def _measured(request: CheckRequest, tools: CheckTools, progress: Progress) -> bytes:
    report = check_use_case.run(request, tools, progress, VERSION).report
    return text_of(lines_of_report(report, request.head.sha[:12]))


@contextmanager
def _tools(
    engine: Engine, repository: GitRepository, options: argparse.Namespace, progress: Progress
) -> Iterator[CheckTools]:
    run = own_run_id()
    builder = Builder(engine)
    builder.check()
    with (
        workspace(repository, run) as checkouts,
        measuring(engine, run, measuring_options(options), progress.note) as runner,
    ):
        results = ResultCache(cache_folder(), progress.note, is_trusted=True)
        cache = layer_cache()
        bases = BaseVariants(engine, cache, progress.note, asks_registry=False)
        yield CheckTools((engine, runner, cache), (checkouts, builder, run), results, bases)
        results.prune()
