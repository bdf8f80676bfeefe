"""Fixtures of every kind of test that has a real engine; a conftest.py takes them over by name."""

from collections.abc import Iterator

import pytest

import base_image
from membudget.engine.connection import Engine
from tests.support.engine import require_engine
from tests.support.prepared_images import PreparedImages, build


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
