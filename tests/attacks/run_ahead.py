"""Checks of cases that come, some at a time: most of a check is waiting, and no figure here is near its budget."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.attacks.case import Case, Checked, checked

_AT_ONCE = 3


class RunAhead:
    """The checks of a test run's cases, in the order in which their tests come."""

    def __init__(self, pool: ThreadPoolExecutor, folder: Path, items: Iterable[pytest.Item]) -> None:
        self._pool = pool
        self._folder = folder
        self._items = list(items)
        self._started: dict[str, Future[Checked]] = {}

    def result(self, item: pytest.Item) -> Checked:
        """The check of a test's case. The first one of a file starts all of that file, and of those that follow it."""
        if item.nodeid not in self._started:
            for one in self._items if _is_alone() else [one for one in self._items if one.path == item.path]:
                case = case_of(one)
                if case is not None and one.nodeid not in self._started:
                    folder = self._folder / str(len(self._started))
                    self._started[one.nodeid] = self._pool.submit(checked, case, folder)
        return self._started[item.nodeid].result()


def case_of(item: pytest.Item) -> Case | None:
    """The case that a test is about."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    case = parameters.get("case")
    return case if isinstance(case, Case) else None


@contextmanager
def running_ahead(folder: Path, items: Iterable[pytest.Item]) -> Iterator[RunAhead]:
    """What has not begun at the end is not begun any more."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield RunAhead(pool, folder, items)
    finally:
        pool.shutdown(cancel_futures=True)


def _is_alone() -> bool:
    """Whether no other process of pytest-xdist runs the other files."""
    return "PYTEST_XDIST_WORKER" not in os.environ
