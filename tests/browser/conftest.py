"""A browser for the tests of a module."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from tests.support.browser import running_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with running_browser() as running:
        yield running
