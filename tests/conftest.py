"""Fixtures for every kind of test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# No test fails for being slow: the machine may be busy.
settings.register_profile("membudget", deadline=None)
settings.load_profile("membudget")

if TYPE_CHECKING:
    from tests.support.github_server import Github


@pytest.fixture
def github() -> "Iterator[Github]":
    """A stand-in of GitHub. A request or an answer that violates GitHub's description fails the test at its end."""
    from tests.support.github_server import running_github  # half a second, which few tests need

    with running_github() as running:
        yield running
