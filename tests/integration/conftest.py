"""A real engine, the images that are measured there, and git repositories to check."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import base_image
import own_image
from membudget.engine.docker_engine import Engine
from membudget.version import VERSION
from tests.support.engine import require_engine
from tests.support.prepared_images import PreparedImages, build
from tests.support.repository import Repository


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs an engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine, connected."""
    connected = require_engine()
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def images(engine: Engine) -> PreparedImages:
    """The images of tests/support/images, built."""
    base_image.provide("bookworm")
    return build()


@pytest.fixture(scope="session")
def helper_image(engine: Engine) -> str:
    """membudget's own image, from the source as it is."""
    reference = f"membudget:{VERSION}"
    own_image.build(reference)
    return reference


@pytest.fixture
def repository(tmp_path: Path, images: PreparedImages) -> Repository:
    """An empty git repository."""
    return Repository.new(tmp_path / "repository")
