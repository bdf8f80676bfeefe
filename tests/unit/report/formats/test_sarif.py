import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from membudget.budgets.manifests import ManifestRule, ManifestRules
from membudget.budgets.runtimes import RuntimeRule
from membudget.report.formats.sarif import render
from tests.support.builders import report
from tests.support.manifests import USUAL, checked, containers, reported
from tests.unit.report.outcomes import OUTCOMES
from tests.unit.test_manifests_page import example

SCHEMA = Path(__file__).parents[3] / "support/sarif-schema-2.1.0.json"
"""Of OASIS, as published with errata 01 (github.com/oasis-tcs/sarif-spec, sarif-2.1/schema)."""
LOW = "- name: api\n  image: shop/api\n  resources:\n    limits: {memory: 150Mi}\n    requests: {memory: 130Mi}\n"


@cache
def validator() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads(SCHEMA.read_text()), format_checker=jsonschema.FormatChecker())


def run(text: str, path: str = "deploy/api.yaml", rules: ManifestRules = USUAL) -> Any:
    document = json.loads(render(reported(checked({path: text}, rules=rules)).judged()))
    validator().validate(document)
    assert (document["version"], len(document["runs"])) == ("2.1.0", 1)
    return document["runs"][0]


def test_a_finding_has_its_rule_its_line_and_its_change() -> None:
    found = run(containers(LOW))
    (result,) = found["results"]
    rule = found["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "limit_below_need"
    assert rule["helpUri"].endswith("docs/manifests.md#limit_below_need")
    assert result["level"] == "error"
    assert "write 230Mi" in result["message"]["text"]
    assert result["locations"] == [{
        "physicalLocation": {
            "artifactLocation": {"uri": "deploy/api.yaml", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 10},
        }
    }]  # fmt: skip


def test_a_fix_replaces_the_amount_alone() -> None:
    (result,) = run(containers(LOW))["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    (replacement,) = change["replacements"]
    line = containers(LOW).splitlines()[replacement["deletedRegion"]["startLine"] - 1]
    start, end = (replacement["deletedRegion"][f"{name}Column"] - 1 for name in ("start", "end"))
    assert line[start:end] == "150Mi"
    assert replacement["insertedContent"]["text"] == "230Mi"


def test_all_rules_are_described_with_the_severities_of_the_budgets_file() -> None:
    rules = run(containers(LOW), rules=ManifestRules(no_limit="off", no_request="fail"))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*ManifestRule, *RuntimeRule]
    levels = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in rules}
    assert (levels["no_limit"], levels["no_request"], levels["hpa_and_vpa"]) == ("none", "error", "warning")
    assert all(rule["fullDescription"]["text"] for rule in rules)


def test_a_finding_about_a_runtime_has_the_line_where_it_is_set() -> None:
    made = OUTCOMES["runtimes"]().judged()
    (found,) = json.loads(render(made))["runs"]
    (result,) = found["results"]
    assert found["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "ceiling_above_limit"
    assert result["level"] == "warning"
    assert "set -Xmx205m" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]) == ("services/api/Dockerfile", {"startLine": 4})
    assert len(made.judgement.runtimes) == 2, "the line of the other is not known"


@pytest.mark.thorough
def test_a_fingerprint_survives_other_lines_and_figures() -> None:
    before, after = (run(text)["results"][0] for text in (containers(LOW), "# a comment\n" + containers(LOW)))
    assert before["locations"] != after["locations"]
    assert before["partialFingerprints"] == after["partialFingerprints"]


def test_what_cannot_be_read_is_a_notification_and_no_success() -> None:
    (invocation,) = run(containers(LOW.replace("150Mi", "lots")))["invocations"]
    assert not invocation["executionSuccessful"]
    (note,) = invocation["toolExecutionNotifications"]
    assert "no amount of memory" in note["message"]["text"]


def test_without_manifests_the_log_is_empty_and_closes_earlier_alerts() -> None:
    document = json.loads(render(report().judged()))
    validator().validate(document)
    (only,) = document["runs"]
    assert only["results"] == []
    assert only["invocations"][0]["executionSuccessful"]


def test_paths_are_written_as_addresses() -> None:
    (result,) = run(containers(LOW), "deploy/a b#c.yaml")["results"]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uri"] == "deploy/a%20b%23c.yaml"


def test_no_line_is_a_command_for_a_runner() -> None:
    text = containers(LOW.replace("name: api", "name: '##[error]x'"))
    assert "##[" not in render(reported(checked({"a.yaml": text})).judged())


def test_what_is_added_is_inserted_below_its_line() -> None:
    (result, _) = run(containers("- name: api\n  image: shop/api\n"))["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    (replacement,) = change["replacements"]
    end = len("          image: shop/api") + 1
    assert replacement["deletedRegion"] == {"startLine": 8, "startColumn": end, "endColumn": end}
    assert replacement["insertedContent"]["text"].startswith("\n          resources:\n            requests:\n")


@pytest.mark.parametrize("rule", ManifestRule)
def test_each_finding_conforms_to_the_published_schema(rule: ManifestRule) -> None:
    breaks = example(rule, "Breaks it")
    assert breaks is not None
    base = example(rule, "In the base")
    before = {"api.yaml": containers(base)} if base is not None else None
    found = reported(checked({"api.yaml": containers(breaks)}, before)).judged()
    document = json.loads(render(found))
    validator().validate(document)
    assert rule.value in {result["ruleId"] for result in document["runs"][0]["results"]}


@pytest.mark.parametrize("broken", [{"level": "failure"}, {"message": {}}, {"locations": {}}, {"severity": 1}])
def test_the_schema_refuses_what_is_no_result(broken: dict[str, object]) -> None:
    document = json.loads(render(reported(checked({"a.yaml": containers(LOW)})).judged()))
    document["runs"][0]["results"][0] |= broken
    assert not validator().is_valid(document)
