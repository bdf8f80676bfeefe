"""A real engine."""

from pathlib import Path

import pytest

from tests.support import engine_fixtures

engine, images = engine_fixtures.engine, engine_fixtures.images


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)
