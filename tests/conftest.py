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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The cgroup v2 machine works while tests run that measure nothing; those that measure have this machine alone."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("goes_first"):
        return 0
    if any(item.path.is_relative_to(Path(__file__).parent / folder) for folder in ("attacks", "integration", "soak")):
        return 3
    return 2 if item.get_closest_marker("cgroup2_vm") else 1


if TYPE_CHECKING:
    from tests.support.github_server import Github


@pytest.fixture
def github() -> "Iterator[Github]":
    """A stand-in of GitHub. A request or an answer that violates GitHub's description fails the test at its end."""
    from tests.support.github_server import running_github  # half a second, which few tests need

    with running_github() as running:
        yield running
