"""Finds the last values of main for the small picture in the comment. A check never fails for want of them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from membudget.build.git import GitRepository
from membudget.build.git_history import GitHistory
from membudget.build.history_place import PlaceKind
from membudget.check.check import CheckRequest
from membudget.cli.creep import commits_before, creep_budgets, folder_problem
from membudget.cli.history_store import HistorySource, store_of
from membudget.core.errors import MembudgetError
from membudget.history.line import LARGEST_NOTE_BYTES
from membudget.history.recent import MOST_COMMITS_BACK, recent_values
from membudget.judge.measurement import FEWEST_RECENT

_LONGEST_FETCH_S = 20.0
"""How long a fetch of the history may take if only the picture needs it."""


def with_recent(request: CheckRequest, repository: GitRepository, source: HistorySource, machine: str) -> CheckRequest:
    """Return the request with the last values of main. Without a history that is quickly read, return it unchanged.

    A pull request may have written to a folder of the working tree, so such a folder is not read.
    """
    images = [name for name in request.rules.images if name not in request.untouched]
    try:
        if not images or (
            source.place.kind is PlaceKind.FOLDER and folder_problem(repository, Path(source.place.name))
        ):
            return request
        commits = commits_before(request, repository, MOST_COMMITS_BACK)
        if len(commits) < FEWEST_RECENT:  # such as in a shallow clone of head and base: nothing could be shown
            return request
        store = store_of(repository, source.place, source.token)
        if isinstance(store, GitHistory) and store.has_remote and _is_to_be_fetched(request):
            store.fetch_within(_LONGEST_FETCH_S)
        found = recent_values(
            images, commits, machine, lambda shas: store.notes(shas, LARGEST_NOTE_BYTES), datetime.now(UTC)
        )
    except MembudgetError:
        return request
    return replace(request, recent=found)


def _is_to_be_fetched(request: CheckRequest) -> bool:
    """Return whether the history has to be fetched. Creep budgets have done that, and a laptop shows what it has."""
    return not request.is_local and not any(creep_budgets(request))
