"""A real engine, and the checks of the cases."""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.case import Checked
from tests.attacks.run_ahead import RunAhead, running_ahead
from tests.support import engine_fixtures
from tests.support.prepared_images import PreparedImages

engine, images = engine_fixtures.engine, engine_fixtures.images


_EVERY = 12


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine. All of it takes a quarter of an hour: most runs take a sample.

    `make attacks` runs the whole; so does naming a file of this folder, or a test. tools/test.py asks for the sample.
    """
    here = Path(__file__).parent
    own = [item for item in items if here in item.path.parents]
    for item in own:
        item.add_marker(pytest.mark.engine)
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    is_sample = os.environ.get("MEMBUDGET_TEST_ATTACKS") == "sample"
    if is_sample or not any(path.is_relative_to(here) for path in asked):
        left = {item.nodeid for item in own if zlib.crc32(item.nodeid.encode()) % _EVERY}
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left])
        items[:] = [item for item in items if item.nodeid not in left]


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
