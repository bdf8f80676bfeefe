from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from membudget.cli.action import ActionInputs
from membudget.core.errors import ConfigurationError
from membudget.core.sharding import Shard
from membudget.manifests.yaml_text import Text
from membudget.setup.workflow_files import Input, UseKind
from membudget.setup.workflow_inputs import INPUTS, InputValues, known_value

TOP = Path(__file__).parents[3]
ACTION: dict[str, Any] = yaml.safe_load((TOP / "action.yml").read_text())
TRIED = (
    *(
        "",
        "x",
        "true",
        "True",
        "false",
        "0",
        "1",
        "01",
        "+1",
        "64",
        "65",
        "auto",
        "Auto",
        "256",
        "257",
        "1/1",
        "2/1",
        "1/257",
        "3/9",
    ),
    *("check", "plan", "merge", "report", "always", "changes", "failures", "off", "none", "status", "fail", "warn"),
    *("never", " ", "٣", "a--b", "a-b"),
)


def of_workflow(name: str) -> dict[str, Any]:
    # PyYAML reads `on` as True
    called: dict[Any, Any] = yaml.safe_load((TOP / ".github/workflows" / name).read_text())
    inputs: dict[str, Any] = called[True]["workflow_call"]["inputs"]
    return inputs


def test_the_inputs_are_the_declared_ones() -> None:
    assert list(INPUTS[UseKind.ACTION]) == list(ACTION["inputs"])
    assert list(INPUTS[UseKind.CHECK]) == list(of_workflow("check.yml"))
    assert list(INPUTS[UseKind.REPORT]) == list(of_workflow("report.yml"))


@pytest.mark.parametrize("kind", [UseKind.ACTION, UseKind.CHECK, UseKind.REPORT])
def test_every_declared_default_is_valid(kind: UseKind) -> None:
    declared = ACTION["inputs"] if kind is UseKind.ACTION else of_workflow(str(kind))
    for name, values in INPUTS[kind].items():
        default = str(declared[name]["default"]).replace("False", "false")
        assert default == "" or values.fault(default) is None, name


@pytest.mark.parametrize("value", [value for value in TRIED if value.strip()])
@pytest.mark.parametrize("name", list(INPUTS[UseKind.ACTION]))
def test_the_values_are_those_that_the_action_takes(name: str, value: str) -> None:
    """An input that takes any text is never refused by the action, either."""
    assert (INPUTS[UseKind.ACTION][name].fault(value) is None) == is_accepted(name, value)


def is_accepted(name: str, value: str) -> bool:
    given = {"reports": "parts", name.replace("-", "_"): value}
    inputs = ActionInputs(**given, github_token=SecretStr("")) if name != "github-token" else ActionInputs()
    try:
        _ = inputs.exit_policy, inputs.comment_settings, inputs.status_mode, inputs.chosen_command, inputs.most_jobs
        _ = (
            inputs.most_shards,
            inputs.remembers,
            inputs.looks_up_bases,
            inputs.profiles,
            inputs.only,
            inputs.allowed_secrets,
        )
        _ = inputs.confirmations, inputs.writes
        inputs.check_history()
        if inputs.shard:
            Shard.parse(inputs.shard)
    except ConfigurationError:
        return False
    return True


def test_a_wrong_choice_is_answered_with_the_choices_and_a_guess() -> None:
    assert InputValues(("always", "off")).fault("alway") == ("always, off", "always")
    assert InputValues(most=3).fault("4") == ("a whole number from 1 to 3", None)
    assert InputValues(is_jobs=True).fault("65") == ("auto or a whole number from 1 to 64", None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (Text(" x ", 1, 1), "x"),
        (Text("", 1, 1), None),
        (Text("~", 1, 1, is_null=True), None),
        (Text("${{ inputs.x }}", 1, 1), None),
        (None, None),
    ],
)
def test_what_only_the_runner_knows_is_not_judged(text: Text | None, value: str | None) -> None:
    assert known_value(Input(Text("x", 1, 1), text)) == value
