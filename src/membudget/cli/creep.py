"""Finds what creep budgets compare with: reads the history before anything is built, with git alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from membudget.budgets.creep import LAST_TAG, days_of
from membudget.budgets.rules import Creep
from membudget.build.git import GitRepository
from membudget.build.git_main import commit_at, commits_after, main_commits, nearest_tag
from membudget.build.history_place import PlaceKind
from membudget.build.revision import Commit, MainCommit
from membudget.check.check import CheckRequest
from membudget.cli.history_store import HistorySource, HistoryStore, store_of
from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.metrics import Metric
from membudget.history.creep import Main, Place, look_up
from membudget.history.line import LARGEST_NOTE_BYTES
from membudget.report.formats.history import skipped_words

_SHALLOW = "this clone is shallow: give actions/checkout the line `fetch-depth: 0`"


def with_creep(request: CheckRequest, repository: GitRepository, source: HistorySource, machine: str) -> CheckRequest:
    """Return the request with what its creep budgets compare with. Nothing is read if there are none.

    Raises EnvironmentFault if git fails.
    """
    wanted = dict(_wanted(request))
    if not wanted:
        return request
    store = store_of(repository, source.place, source.token)
    now = datetime.now(UTC)
    sinces = {creep.since for creep in wanted.values()}
    main = _main(request, repository, _problem(repository, source, store), sinces, now)
    found = look_up(wanted, main, machine, lambda commits: store.notes(commits, LARGEST_NOTE_BYTES), now)
    return replace(request, then=found.then, notes=(*request.notes, *skipped_words(found.skipped)))


def _wanted(request: CheckRequest) -> Iterator[tuple[tuple[str, Metric], Creep]]:
    for name, rules in request.rules.images.items():
        for metric, budget in rules.budgets.items():
            if budget.creep is not None and name not in request.untouched:
                yield (name, metric), budget.creep


def _main(
    request: CheckRequest, repository: GitRepository, problem: str | None, sinces: set[str], now: datetime
) -> Main:
    """Return the branch up to the base. Without a base, up to the commit before the head, which is what is measured."""
    is_based = isinstance(request.base, Commit)
    tip = request.base.sha if isinstance(request.base, Commit) else request.head.sha
    commits = main_commits(repository, tip)[0 if is_based else 1 :]
    if problem is not None and not request.is_local:
        return Main((), {}, problem)
    places = {since: _place(repository, commits, since, now) for since in sinces}
    return Main(commits, places, problem, is_excused=request.is_local)


def _problem(repository: GitRepository, source: HistorySource, store: HistoryStore) -> str | None:
    """Return why the history cannot be used. A pull request may have written to a folder of the working tree."""
    if source.place.kind is PlaceKind.FOLDER:
        is_own = Path(source.place.name).resolve().is_relative_to(repository.top.resolve())
        return "its folder lies in the working tree, where a pull request can change it" if is_own else None
    try:
        if store.has_remote:
            store.fetch()
    except EnvironmentFault as fault:
        return f"the history cannot be fetched: {shortened(fault.what, 120)}"
    return None


def _place(repository: GitRepository, commits: list[MainCommit], since: str, now: datetime) -> Place:
    """Return the place on the branch that a `since` stands for."""
    if repository.is_shallow():
        return Place(None, _SHALLOW)
    if not commits:
        return Place(None, "there is no earlier commit", is_first_setup=True)
    days = days_of(since)
    if days is not None:
        found = commit_at(commits, int((now - timedelta(days=days)).timestamp()))
        return Place(commits.index(found) if found is not None else len(commits) - 1)
    tip = commits[0].sha
    revision = nearest_tag(repository, tip) if since == LAST_TAG else since
    if revision is None:
        return Place(None, "the branch has no tag yet", is_first_setup=True)
    index = commits_after(repository, tip, revision)
    if index is None:
        return Place(None, f"{shortened(since)} is not a commit of this clone: fetch it")
    return Place(min(index, len(commits) - 1))
