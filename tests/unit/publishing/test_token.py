"""Where the token is not: in the environment, and in anything that a failure shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from membudget.publishing.action_inputs import ActionInputs
from tests.support.failing_publisher import FAILURES

TOP = Path(__file__).parents[3]
TOKEN = "ghs_" + "s3cr3t" * 6


def test_the_token_leaves_the_environment_under_every_name() -> None:
    names = ("INPUT_GITHUB-TOKEN", "GITHUB_TOKEN", "FORGEJO_TOKEN", "GITEA_TOKEN")
    environ = {**dict.fromkeys(names, TOKEN), "INPUT_KEY": "nightly"}
    inputs = ActionInputs.take(environ)
    assert environ == {"INPUT_KEY": "nightly"}
    assert inputs.github_token.get_secret_value() == TOKEN
    assert TOKEN not in repr(inputs)


def test_a_token_that_is_white_space_is_none() -> None:
    assert ActionInputs.take({"INPUT_GITHUB-TOKEN": " \n"}).github_token.get_secret_value() == ""


@pytest.mark.thorough
@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_shows_the_token(failure: str) -> None:
    """In a process of its own that logs all and shows each traceback's local variables."""
    outcome = subprocess.run(
        [sys.executable, "-m", "tests.support.failing_publisher", failure],
        cwd=TOP,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ".", "INPUT_GITHUB-TOKEN": TOKEN, "GITHUB_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    shown = outcome.stdout + outcome.stderr
    assert "what happened: " in shown, shown[-3000:]
    assert TOKEN not in shown
    assert TOKEN[4:] not in shown
    if failure in ("interrupt", "bug in requests", "bug of ours"):
        for drawn in ("locals", "capture_locals"):
            assert f"traceback with {drawn}" in shown
        assert "http_api.py" in shown
        assert "call = _Call(" in shown, "local variables are there"
