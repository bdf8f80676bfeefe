"""Finds what creep budgets compare with: reads the history before anything is built, with git alone."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from membudget.budgets.creep import LAST_TAG, days_of
from membudget.budgets.rules import Creep
from membudget.build.git import GitRepository
from membudget.build.git_main import commit_at, commits_after, main_commits, newest_of, tagged_commits
from membudget.build.git_remote import GitRemote
from membudget.build.history_place import MOST_COMMITS, PlaceKind
from membudget.build.revision import Commit, MainCommit
from membudget.check.check import CheckRequest
from membudget.cli.history_store import HistorySource, HistoryStore, credentials_of, store_of
from membudget.core.errors import EnvironmentFault, shortened
from membudget.core.metrics import Metric
from membudget.history.creep import Main, SincePlace, look_up
from membudget.history.line import LARGEST_NOTE_BYTES
from membudget.report.formats.history import skipped_words

_LONGEST_CAUSE = 120
_SHALLOW = "this clone is shallow: give actions/checkout the line `fetch-depth: 0`"


def with_creep(request: CheckRequest, repository: GitRepository, source: HistorySource, machine: str) -> CheckRequest:
    """Return the request with what its creep budgets compare with. Nothing is read if there are none.

    If git fails, nothing is known of then: a failure never counts as a history that is empty.
    """
    wanted = dict(creep_budgets(request))
    if not wanted:
        return request
    store = store_of(repository, source.place, source.token)
    remote = GitRemote(repository, credentials_of(source.token))
    now = datetime.now(UTC)
    sinces = {creep.since for creep in wanted.values()}
    find = partial(
        look_up, wanted, machine=machine, read=lambda commits: store.notes(commits, LARGEST_NOTE_BYTES), now=now
    )
    try:
        branch = _Branch.of(request, repository, remote)
        found = find(_main(branch, request, _problem(request, repository, source, store), sinces, now))
    except EnvironmentFault as fault:
        problem = f"the history cannot be read: {shortened(fault.what, _LONGEST_CAUSE)}"
        found = find(Main(problem=problem, is_excused=request.is_local))
    return replace(request, then=found.then, notes=(*request.notes, *skipped_words(found.skipped)))


def creep_budgets(request: CheckRequest) -> Iterator[tuple[tuple[str, Metric], Creep]]:
    """Yield the creep budgets of the images that a check measures."""
    for name, rules in request.rules.images.items():
        for metric, budget in rules.budgets.items():
            if budget.creep is not None and name not in request.untouched:
                yield (name, metric), budget.creep


def commits_before(request: CheckRequest, repository: GitRepository, most: int = MOST_COMMITS) -> list[MainCommit]:
    """Return the branch up to the base, or else up to the commit before the head. Raises EnvironmentFault."""
    if isinstance(request.base, Commit):
        return main_commits(repository, request.base.sha, most)
    return main_commits(repository, request.head.sha, most)[1:]


@dataclass(frozen=True, slots=True)
class _Branch:
    """The main branch up to what a check measures, in this clone."""

    repository: GitRepository
    remote: GitRemote
    commits: Sequence[MainCommit]
    """Newest first."""
    is_local: bool

    @classmethod
    def of(cls, request: CheckRequest, repository: GitRepository, remote: GitRemote) -> Self:
        """Return the branch up to what is compared with. Raises EnvironmentFault."""
        return cls(repository, remote, commits_before(request, repository), request.is_local)

    def place(self, since: str, now: datetime) -> SincePlace:
        """Return the place on the branch that a `since` stands for. Raises EnvironmentFault."""
        if self.repository.is_shallow():
            return SincePlace(None, _SHALLOW)
        if not self.commits:
            return SincePlace(None, "there is no earlier commit", is_first_setup=True)
        days = days_of(since)
        if days is not None:
            found = commit_at(self.commits, int((now - timedelta(days=days)).timestamp()))
            return SincePlace(self.commits.index(found) if found is not None else len(self.commits) - 1)
        return self._last_tag() if since == LAST_TAG else self._revision(since)

    def _last_tag(self) -> SincePlace:
        """Return the place of the newest tag. A clone may lack the tags, so without one the remote is asked."""
        index = newest_of(self.commits, tagged_commits(self.repository))
        if index is not None:
            return SincePlace(index)
        if not self.is_local:
            if not self.remote.is_there:
                return SincePlace(None, "this clone has no tag of the branch, and no remote `origin` to ask for one")
            index = newest_of(self.commits, self.remote.tagged())
        return SincePlace(index, "the branch has no tag yet" if index is None else "", is_first_setup=index is None)

    def _revision(self, since: str) -> SincePlace:
        index = commits_after(self.repository, self.commits[0].sha, since)
        if index is None:
            return SincePlace(None, f"{shortened(since)} is not a commit of this clone: fetch it")
        return SincePlace(min(index, len(self.commits) - 1))


def _main(branch: _Branch, request: CheckRequest, problem: str | None, sinces: set[str], now: datetime) -> Main:
    if problem is not None and not request.is_local:
        return Main(problem=problem)
    places = {since: branch.place(since, now) for since in sinces}
    return Main(branch.commits, places, problem, is_excused=request.is_local, new_images=_new_images(request))


def _new_images(request: CheckRequest) -> frozenset[str]:
    """Return the images that the base's budgets file does not have. None if the file is not known."""
    if not isinstance(request.base, Commit) or request.base_problem is not None:
        return frozenset()
    return frozenset(request.rules.images) - frozenset(request.base_images)


def _problem(
    request: CheckRequest, repository: GitRepository, source: HistorySource, store: HistoryStore
) -> str | None:
    """Return why the history cannot be used. A pull request may have written to a folder of the working tree."""
    if source.place.kind is PlaceKind.FOLDER:
        return folder_problem(repository, Path(source.place.name))
    if not store.has_remote:
        no_remote = "the history cannot be fetched: this clone has no remote `origin`"
        return None if request.is_local else no_remote
    try:
        store.fetch()
    except EnvironmentFault as fault:
        return f"the history cannot be fetched: {shortened(fault.what, _LONGEST_CAUSE)}"
    return None


def folder_problem(repository: GitRepository, folder: Path) -> str | None:
    """Return why a folder cannot be used as the history. None if it can."""
    if folder.resolve().is_relative_to(repository.top.resolve()):
        return "its folder lies in the working tree, where a pull request can change it"
    try:
        os.scandir(folder).close()
    except OSError as error:
        return f"its folder cannot be read ({error.strerror}): mount it, or make it"
    return None
