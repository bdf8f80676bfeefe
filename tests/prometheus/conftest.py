"""Real Prometheus, promtool and Pushgateway, as a user has them."""

import subprocess
from collections.abc import Callable

import pytest

import prometheus_tools
from prometheus_tools import Programs
from tests.support.missing import skip_for_want_of

Promtool = Callable[..., str]


@pytest.fixture(scope="session")
def programs() -> Programs:
    """Where the programs are."""
    try:
        return prometheus_tools.provide()
    except prometheus_tools.CannotHaveThem as error:
        skip_for_want_of(str(error))


@pytest.fixture(scope="session")
def promtool(programs: Programs) -> Promtool:
    """Runs promtool, which has to find nothing wrong. What it prints."""

    def run(*arguments: str, given: str = "") -> str:
        command = [programs.promtool, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
