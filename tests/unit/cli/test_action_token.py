"""Where the token is not: in the environment, and in anything that a failure shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.cli.action import ActionInputs
from membudget.core.errors import ConfigurationError
from membudget.publish.servers.github_api import GITHUB
from membudget.publish.servers.http_api import HttpApi
from membudget.publish.servers.registry import take_token
from tests.support.builders import image, report, side, trial
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


def test_publish_takes_the_token_from_under_every_name_too() -> None:
    environ = {"GITHUB_TOKEN": f" {TOKEN}\n", "FORGEJO_TOKEN": TOKEN, "GITEA_TOKEN": TOKEN, "PATH": "/bin"}
    assert take_token(environ).get_secret_value() == TOKEN
    assert environ == {"PATH": "/bin"}


def test_a_token_that_is_white_space_is_none() -> None:
    assert ActionInputs.take({"INPUT_GITHUB-TOKEN": " \n"}).github_token.get_secret_value() == ""


@pytest.mark.parametrize("odd", ["\n", "\r\nX-Other: header", " ", "\N{ZERO WIDTH SPACE}", "\x00", "é"])
def test_what_cannot_be_a_token_is_refused_without_quoting_it(odd: str) -> None:
    """The HTTP library would quote it: a secret that was pasted with its end of line."""
    with pytest.raises(ConfigurationError, match=r"^the token contains a space, an end of line or a character"):
        HttpApi("http://localhost:1", SecretStr(f"{TOKEN}{odd}x"), GITHUB)


@pytest.mark.thorough
def test_a_token_is_published_with_though_its_variable_ends_in_a_line_feed(tmp_path: Path) -> None:
    """As `$(cat token)` gives none, but a secret that was pasted into a form does."""
    path = tmp_path / "report.json"
    path.write_text(report(image("api", head=side(trial(40)))).model_dump_json())
    outcome = subprocess.run(
        [sys.executable, "-m", "membudget", "publish", str(path)],
        env={"PATH": os.environ["PATH"], "GITHUB_TOKEN": f"{TOKEN}\n", "GITHUB_API_URL": "http://localhost:1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (outcome.returncode, outcome.stderr) == (
        0,
        "membudget: no comment was posted: this run is not for a pull request\n",
    )


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each failure shows, in a process of its own that logs all and shows each traceback's local variables."""
    folder = tmp_path_factory.mktemp("failed")
    subprocess.run(
        [sys.executable, "-m", "tests.support.failing_publisher", folder],
        cwd=TOP,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ".", "INPUT_GITHUB-TOKEN": TOKEN, "GITHUB_TOKEN": TOKEN},
        timeout=600,
        check=True,
    )
    return folder


@pytest.mark.thorough
@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_shows_the_token(failed: Path, failure: str) -> None:
    shown = (failed / failure).read_text()
    assert "what happened: " in shown, shown[-3000:]
    assert shown.endswith("\nall shown\n"), shown[-3000:]
    assert TOKEN not in shown
    assert TOKEN[4:] not in shown
    if failure in ("interrupt", "bug in requests", "bug of ours"):
        for drawn in ("locals", "capture_locals"):
            assert f"traceback with {drawn}" in shown
        assert "http_api.py" in shown
        assert "repeatable = True" in shown, "local variables are there"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("prober._show_everything_held = lambda: 1 / 0", "ZeroDivisionError: division by zero"),
        ("prober._LONGEST_S = 1; prober._show_everything_held = threading.Event().wait", "Timeout (0:00:01)!"),
    ],
)
def test_the_prober_ends_with_why_it_could_not_show_all(tmp_path: Path, broken: str, said: str) -> None:
    code = f"import threading, tests.support.failing_publisher as prober; {broken}; prober.main()"
    outcome = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        cwd=TOP,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ".", "INPUT_GITHUB-TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert outcome.returncode == 1
    assert outcome.stderr.startswith(f"the clone for {FAILURES[0]!r} ended with 1:\n")
    assert said in outcome.stderr
    assert "all shown" not in (tmp_path / FAILURES[0]).read_text().splitlines()
