"""Fixtures for every kind of test."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.started import end_started

# No test fails for being slow: the machine may be busy.
# Nor by chance: examples are the same each time. --hypothesis-profile=explore looks for others.
settings.register_profile("membudget", deadline=None, derandomize=True)
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=15)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("membudget")


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    """What a test started and left at work ends with it."""
    yield
    end_started()


_LONGEST_FIRST = ("soak", "e2e", "integration", "attacks", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first: where processes share the files, none is left with a long one at the end."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


if TYPE_CHECKING:
    from tests.support.github_server import Github


@pytest.fixture
def github() -> "Iterator[Github]":
    """A stand-in of GitHub. A request or an answer that violates GitHub's description fails the test at its end."""
    from tests.support.github_server import running_github  # half a second, which few tests need

    with running_github() as running:
        yield running
