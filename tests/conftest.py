"""Fixtures for every kind of test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.github_server import Github


@pytest.fixture
def github() -> "Iterator[Github]":
    """A stand-in of GitHub. A request or an answer that violates GitHub's description fails the test at its end."""
    from tests.support.github_server import running_github  # half a second, which few tests need

    with running_github() as running:
        yield running
