"""What tests of the action share."""

from collections.abc import Iterator

import pytest

import base_image
import own_image
from membudget.engine.connection import Engine
from membudget.version import VERSION
from tests.support.act import tool_cache_as_before
from tests.support.engine import require_engine
from tests.support.engine_network import on_engines_network


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine, with the images that workflows start from."""
    connected = require_engine()
    base_image.provide("bookworm")
    own_image.build(f"membudget:{VERSION}")
    with tool_cache_as_before(connected):
        yield connected
    connected.close()


@pytest.fixture(scope="module")
def one_localhost() -> Iterator[None]:
    """The stand-in of GitHub, which tests start on localhost, is there for what act runs on the engine's machine."""
    with on_engines_network():
        yield
