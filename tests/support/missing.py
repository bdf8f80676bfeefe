"""What a test needs and this machine lacks."""

import os
from typing import NoReturn

import pytest


def all_have_to_run() -> bool:
    """Whether every test has to run, and may install what it needs."""
    return os.environ.get("MEMBUDGET_TEST_ALL") == "1"


def skip_for_want_of(reason: str) -> NoReturn:
    """Skip the test; where every test has to run, which is what MEMBUDGET_TEST_ALL=1 says, fail it."""
    if all_have_to_run():
        pytest.fail(f"MEMBUDGET_TEST_ALL=1, and {reason}")
    pytest.skip(reason)
