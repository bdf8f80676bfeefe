"""Runs `membudget backfill`: measures earlier commits of the branch as `check` does, and keeps their figures."""

import argparse
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path

from membudget.budgets.memory_rules import MemoryRule, MemoryRules
from membudget.budgets.rules import NO_BUDGET
from membudget.budgets.runtimes import RuntimeRule, RuntimeRules
from membudget.build.docker_build import Builder
from membudget.build.git import GitRepository
from membudget.build.git_main import commits_after, main_commits
from membudget.build.git_workspace import workspace
from membudget.build.revision import BaseRequest, Commit, MainCommit
from membudget.build.sources import BaseVariants
from membudget.check import check as check_use_case
from membudget.check.check import CheckRequest
from membudget.check.manifest_texts import CommitManifests
from membudget.cli.history_reading import fetched, points_in, store_to_fill
from membudget.cli.history_store import HistoryStore, keep, lines_of_report, text_of
from membudget.cli.measure import measuring_options
from membudget.cli.request import Wanted, check_request
from membudget.cli.tools import CheckTools, FreshTools
from membudget.cli.wiring import cache_folder, connected_engine, layer_cache, progress_display
from membudget.core.errors import ConfigurationError, ExitCode, shortened
from membudget.core.metrics import HEADLINES, Metric
from membudget.core.progress import Progress
from membudget.engine.connection import Engine
from membudget.engine.run_id import own_run_id
from membudget.history.line import SkippedLines
from membudget.history.record import machine_class
from membudget.history.series import SeriesKey, is_comparable
from membudget.measure.cache import ResultCache
from membudget.measure.equipment import measuring
from membudget.publish.servers import registry
from membudget.publish.workflow import warn
from membudget.report.report import Report
from membudget.version import VERSION


def backfill(options: argparse.Namespace) -> ExitCode:
    """Run `membudget backfill`. Each commit is kept once it was measured, so that the next run continues there."""
    token = registry.take_token(os.environ)
    repository = GitRepository(Path.cwd())
    store = fetched(store_to_fill(repository, options, token), options)
    commits = _chosen(repository, options.since, options.every)
    progress = progress_display(os.environ)
    request = request_of_figures(repository, options)
    found: dict[str, bytes] = {}
    with connected_engine() as engine:
        info = engine.info
        machine = machine_class(info.platform, info.cgroup_version, info.cpus)
        left = _unmeasured(commits, store, machine, _wanted(request))
        for number, (commit, images) in enumerate(left.items(), start=1):
            progress.note(f"commit {number} of {len(left)}: {commit.sha[:12]} {shortened(commit.subject)}")
            with commit_tools(
                engine, repository, options, progress
            ) as tools:  # anew, so that images of each are removed
                report = measured(of_commit(request, commit, images), tools, progress)
            lines = text_of(lines_of_report(report, commit.sha[:12]))
            if lines:
                store.append({commit.sha: lines})
                found[commit.sha] = lines
            else:
                warn(f"{commit.sha[:12]} has no figures: its images do not build or do not run")
    if options.push and found:
        keep(store, found, pushes=True)
    print(f"{len(found)} of {len(commits)} commits were measured, {len(commits) - len(left)} were known")
    return ExitCode.WITHIN_BUDGET


def _chosen(repository: GitRepository, since: str, every: int) -> list[MainCommit]:
    """Return every Nth commit since a revision, oldest first, with the newest. Raises ConfigurationError."""
    commits = main_commits(repository, "HEAD")
    index = commits_after(repository, commits[0].sha, since)
    if index is None:
        raise ConfigurationError(f"{shortened(since)} is not a commit of this repository", where="--since")
    return commits[: index + 1][::every][::-1]


def request_of_figures(repository: GitRepository, options: argparse.Namespace) -> CheckRequest:
    """Return the request of a check of HEAD, by today's budgets file, for the figures that the history keeps."""
    wanted = Wanted(Path(options.budgets), BaseRequest(none=True), only=tuple(options.images), is_local=True)
    return with_figures_alone(check_request(repository, wanted, None))


def with_figures_alone(request: CheckRequest) -> CheckRequest:
    """Return the request without what only a report shows: that takes trials, and the history does not keep it."""
    rules = request.rules
    images = {
        name: replace(one, spec=one.spec.model_copy(update={"profile": False})) for name, one in rules.images.items()
    }
    runtime_rules = RuntimeRules.model_validate(dict.fromkeys(RuntimeRule, "off"))
    memory_rules = MemoryRules.model_validate(dict.fromkeys(MemoryRule, "off"))
    judged_by = replace(rules, images=images, manifests=(), runtime_rules=runtime_rules, memory_rules=memory_rules)
    return replace(request, rules=judged_by, profiles=False, budgets_text=None, manifests=CommitManifests())


def of_commit(request: CheckRequest, commit: MainCommit, images: Collection[str]) -> CheckRequest:
    """Return the request for some images of a commit."""
    chosen = {name: one for name, one in request.rules.images.items() if name in images}
    return replace(request, head=Commit(commit.sha, commit.subject), rules=replace(request.rules, images=chosen))


def _wanted(request: CheckRequest) -> set[SeriesKey]:
    """Return what a commit is measured for: what people look at, and what creep budgets compare with."""
    return {
        (name, metric)
        for name, rules in request.rules.images.items()
        for metric in Metric
        if metric in HEADLINES or rules.budgets.get(metric, NO_BUDGET).creep is not None
    }


def _unmeasured(
    commits: Sequence[MainCommit], store: HistoryStore, machine: str, wanted: Collection[SeriesKey]
) -> dict[MainCommit, set[str]]:
    """Return the commits that lack a wanted figure of such a machine, with the images that lack it."""
    known: dict[str, set[SeriesKey]] = {}
    for point in points_in(store, commits, SkippedLines()):
        if is_comparable(point.line, machine):
            known.setdefault(point.commit.sha, set()).add((point.line.image, point.line.metric))
    lacking = {commit: {image for image, _ in {*wanted} - known.get(commit.sha, set())} for commit in commits}
    return {commit: images for commit, images in lacking.items() if images}


def measured(request: CheckRequest, tools: CheckTools, progress: Progress) -> Report:
    """Return the report of a check of one commit."""
    return check_use_case.run(request, tools, progress, VERSION).report


class Reuse(Enum):
    """What of earlier runs may stand for something new."""

    ALL = auto()
    LAYERS = auto()
    """The layers of builds, but no results of trials."""
    NOTHING = auto()


@contextmanager
def commit_tools(
    engine: Engine, repository: GitRepository, options: argparse.Namespace, progress: Progress, reuse: Reuse = Reuse.ALL
) -> Iterator[CheckTools]:
    """Provide the tools of a check. At the end, its images are removed."""
    run = own_run_id()
    builder = Builder(engine, is_fresh=reuse is Reuse.NOTHING)
    builder.check()
    with (
        workspace(repository, run) as checkouts,
        measuring(engine, run, measuring_options(options), progress.note) as runner,
    ):
        results = ResultCache(cache_folder(), progress.note, is_trusted=True) if reuse is Reuse.ALL else None
        cache = layer_cache()
        bases = BaseVariants(engine, cache, progress.note, asks_registry=False)
        tools = FreshTools if reuse is Reuse.LAYERS else CheckTools
        yield tools((engine, runner, cache), (checkouts, builder, run), results, bases)
        if results is not None:
            results.prune()
