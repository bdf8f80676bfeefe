"""Fixtures for every kind of test."""

import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import second_engine
from tests.support.started import end_started

_TEMPORARY = second_engine.take_own()  # before any test's module looks for an engine

# No test fails for being slow: the machine may be busy.
# Nor by chance: examples are the same each time. --hypothesis-profile=explore looks for others.
settings.register_profile("membudget", deadline=None, derandomize=True)
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=15)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("membudget")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let the tests on an engine of this process have their files in its folder."""
    if _TEMPORARY is not None:
        config.option.basetemp = _TEMPORARY


gc.disable()  # modules and tests stay until the end: a collection among them costs a quarter of a run and frees nothing


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Exempt what stays from collections, then collect as usual what tests leave."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Spare the process that only gathers the workers' results pytest's last collections."""
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """What a test started and left at work ends with it. A fixture of each test would cost more."""
    try:
        yield
    finally:
        end_started()


if TYPE_CHECKING:
    from tests.support.github_server import Github


@pytest.fixture
def github() -> "Iterator[Github]":
    """A stand-in of GitHub. A request or an answer that violates GitHub's description fails the test at its end."""
    from tests.support.github_server import running_github  # half a second, which few tests need

    with running_github() as running:
        yield running
