"""Runs `membudget plan`: distributes images over jobs by how long they took, as the history or this machine knows."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from membudget.budgets import file as budgets_file
from membudget.build.git import GitRepository
from membudget.build.git_main import main_commits
from membudget.build.history_place import parse_place
from membudget.cli.action import ActionInputs
from membudget.cli.history_reading import points_in
from membudget.cli.history_store import HistorySource, store_of
from membudget.cli.wiring import cache_folder
from membudget.core.errors import ExitCode, MembudgetError
from membudget.core.metrics import Metric
from membudget.core.sharding import Shard, assign
from membudget.history.line import SkippedLines, line_filter
from membudget.history.stale import durations_ms
from membudget.measure.cache import Took, read_durations
from membudget.publish.servers import registry
from membudget.publish.workflow import WorkflowStep, warn

_MOST_COMMITS = 500
"""How far back times are looked for. An image that was not measured for so long counts as the median."""
_SHALLOW = (
    "the history is not used to balance the jobs: this clone is shallow. Give actions/checkout `fetch-depth: 500`"
)


def plan(options: argparse.Namespace) -> ExitCode:
    """Run `membudget plan`."""
    token = registry.take_token(os.environ)
    source = HistorySource(parse_place(options.place), token, is_offline=options.no_fetch)
    print(matrix(Path(options.budgets), options.shards, Took.FIT if options.fit else Took.CHECK, source))
    return ExitCode.WITHIN_BUDGET


def plan_in_step(inputs: ActionInputs, what: Took) -> ExitCode:
    """Run `membudget plan` in a step of a workflow. The matrix is an output."""
    jobs = matrix(
        Path(inputs.budgets), inputs.most_shards, what, HistorySource(inputs.history_place, inputs.github_token)
    )
    WorkflowStep(os.environ, sys.stdout, warn).outputs({"matrix": jobs})
    print(jobs)
    return ExitCode.WITHIN_BUDGET


def matrix(budgets: Path, shards: int, what: Took, source: HistorySource) -> str:
    """Return the JSON for `strategy.matrix` of a workflow: one job for each shard."""
    names = tuple(budgets_file.parse(budgets_file.read(budgets), str(budgets)))
    parts = assign(names, _known_ms(names, what, source) if shards > 1 else {}, shards)
    jobs = [
        {"shard": str(Shard(number, len(parts))), "images": " ".join(part)}
        for number, part in enumerate(parts, start=1)
    ]
    return json.dumps({"include": jobs})


def _known_ms(names: Sequence[str], what: Took, source: HistorySource) -> Mapping[str, int]:
    """Return how long each image took, from one source: the times of two cannot be compared.

    Fits that this machine remembers count first for fits. Otherwise, the source that knows more of the images counts.
    """
    own_fits = read_durations(cache_folder(), what) if what is Took.FIT else {}
    if own_fits:
        return own_fits
    own = {name: took for name, took in read_durations(cache_folder()).items() if name in names}
    kept = _of_history(names, source)
    return kept if len(kept) >= len(own) else own


def _of_history(names: Sequence[str], source: HistorySource) -> dict[str, int]:
    """Return what the history knows. If it cannot be read, a warning says so, and only the balance of jobs suffers."""
    try:
        repository = GitRepository(Path.cwd())
        store = store_of(repository, source.place, source.token)
        has_lines = store.has_remote and not source.is_offline and store.fetch()
        commits = main_commits(repository, "HEAD", _MOST_COMMITS)
        points = points_in(store, commits, SkippedLines(), line_filter((), {Metric.PEAK_RSS}))
        found = durations_ms(points, names)
        if not found and has_lines and repository.is_shallow():
            warn(_SHALLOW)
    except MembudgetError as error:
        warn(f"the history is not used to balance the jobs: {error}")
        return {}
    return found
