"""Fixtures for every kind of test."""

from collections.abc import Iterator
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


if TYPE_CHECKING:
    from tests.support.github_server import Github


@pytest.fixture
def github() -> "Iterator[Github]":
    """A stand-in of GitHub. A request or an answer that violates GitHub's description fails the test at its end."""
    from tests.support.github_server import running_github  # half a second, which few tests need

    with running_github() as running:
        yield running
