"""What tests of the action share."""

from collections.abc import Iterator

import pytest

import base_image
import own_image
from membudget.engine.connection import Engine
from membudget.version import VERSION
from tests.support.act import TOOL_CACHE
from tests.support.engine import require_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine, with the images that workflows start from."""
    connected = require_engine()
    base_image.provide("bookworm")
    own_image.build(f"membudget:{VERSION}")
    volumes = connected.client.volumes
    had_tools = any(volume.name == TOOL_CACHE for volume in volumes.list())
    yield connected
    if not had_tools:
        for volume in volumes.list():
            if volume.name == TOOL_CACHE:
                volume.remove()
    connected.close()
