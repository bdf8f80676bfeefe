"""A real engine, and the checks of the cases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.case import Checked
from tests.attacks.run_ahead import RunAhead, running_ahead
from tests.support import engine_fixtures
from tests.support.prepared_images import PreparedImages

engine, images = engine_fixtures.engine, engine_fixtures.images


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def run_ahead(
    request: pytest.FixtureRequest, images: PreparedImages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunAhead]:
    """The checks of all cases that were selected."""
    with running_ahead(tmp_path_factory.mktemp("cases"), request.session.items) as running:
        yield running


@pytest.fixture
def checked(request: pytest.FixtureRequest, run_ahead: RunAhead) -> Checked:
    """The check of the case that is this test's parameter."""
    return run_ahead.result(request.node)
