"""action.yml and the code behind it say the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from membudget.cli.action import ActionInputs
from membudget.core.errors import ConfigurationError
from membudget.publish import publish
from membudget.publish.comment import CommentMode, CommentSettings
from membudget.publish.commit_state import StatusMode
from tests.support import builders

ACTION: dict[str, Any] = yaml.safe_load((Path(__file__).parents[3] / "action.yml").read_text())


def environ(**given: str) -> dict[str, str]:
    """What the runner makes of `with:`, over the defaults of action.yml."""
    defaults = {name: declared["default"] for name, declared in ACTION["inputs"].items()}
    inputs = {**defaults, **{name.replace("_", "-"): value for name, value in given.items()}}
    return {f"INPUT_{name.upper()}": value for name, value in inputs.items()}


def test_the_inputs_are_the_declared_ones() -> None:
    assert ActionInputs.names() == list(ACTION["inputs"])


def test_the_defaults_are_the_declared_ones() -> None:
    assert ActionInputs.take(environ(github_token="")) == ActionInputs()


def test_the_workflows_own_token_is_the_default() -> None:
    assert ACTION["inputs"]["github-token"]["default"] == "${{ github.token }}"


def test_every_input_is_described() -> None:
    described = {**ACTION["inputs"], **ACTION["outputs"]}
    assert [name for name, declared in described.items() if not declared["description"].endswith(".")] == []


def test_what_the_workflow_gives_is_taken() -> None:
    inputs = ActionInputs.take(
        environ(budgets=" ci/budgets.toml ", base="v1", report="out/r.json", key="nightly", github_token="ghs_x")
    )
    assert inputs == ActionInputs("ci/budgets.toml", "v1", "out/r.json", "nightly", SecretStr("ghs_x"))


def test_an_empty_input_is_the_default() -> None:
    assert ActionInputs.take(environ(budgets="", report=" ", key="", github_token="")) == ActionInputs()


def test_the_token_leaves_the_environment_and_is_never_printed() -> None:
    given = {**environ(github_token="ghs_secret"), "GITHUB_TOKEN": "ghs_secret", "PATH": "/bin"}
    inputs = ActionInputs.take(given)
    assert inputs.github_token.get_secret_value() == "ghs_secret"
    assert "ghs_secret" not in f"{inputs!r} {given}"
    assert given["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("given", "names"),
    [("", ()), ("TOKEN", ("TOKEN",)), ("A, B,C", ("A", "B", "C")), ("A\n  B\n", ("A", "B")), (" , ", ())],
)
def test_secrets_are_allowed_by_name(given: str, names: tuple[str, ...]) -> None:
    assert ActionInputs.take(environ(secrets=given)).allowed_secrets == names


def test_the_declared_outputs_are_the_ones_that_are_set() -> None:
    report = builders.report(builders.image("api", head=builders.side(builders.trial())))
    outputs: dict[str, str] = {}

    class Workflow:
        def summary(self, markdown: str) -> None: ...
        def annotate(self, title: str, message: str, place: Any = None) -> None: ...
        def outputs(self, values: Any) -> None:
            outputs.update(values)

    publish.run(report.judged(), "report.json", Workflow(), publish.Destination(None, None, CommentSettings()))
    of_plan = {"matrix"}
    assert set(outputs) - {"verdict-api"} == set(ACTION["outputs"]) - of_plan
    assert "verdict-NAME" in ACTION["outputs"]["verdict"]["description"]


def test_it_runs_the_command_of_the_action() -> None:
    assert ACTION["runs"] == {"using": "docker", "image": "Dockerfile", "args": ["action"]}


def test_when_to_comment_and_what_to_keep_on_the_commit() -> None:
    inputs = ActionInputs.take(environ(comment="failures", status="check", key="nightly", github_token=""))
    assert inputs.comment_settings == CommentSettings("nightly", CommentMode.FAILURES)
    assert inputs.status_mode is StatusMode.CHECK


def test_what_is_no_mode_is_said_before_anything_is_built() -> None:
    with pytest.raises(ConfigurationError, match="comment: 'never' is none of always, changes, failures, off"):
        _ = ActionInputs(comment="never").comment_settings
    with pytest.raises(ConfigurationError, match="status: 'yes' is none of none, status, check"):
        _ = ActionInputs(status="yes").status_mode
    with pytest.raises(ConfigurationError, match="command: 'post' is none of check, plan, merge, report"):
        _ = ActionInputs(command="post").chosen_command
