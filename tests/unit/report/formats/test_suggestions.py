from dataclasses import replace

import pytest

from membudget.judge.manifests import AmountChange, ManifestJudgement
from membudget.report.formats.suggestions import Suggestion, suggestions
from tests.support.manifests import checked, containers, judged

LOW = "- name: api\n  image: shop/api\n  resources:\n    limits: {memory: 150Mi}%s\n    requests: {memory: 130Mi}\n"


def suggested(text: str) -> tuple[Suggestion, ...]:
    return suggestions(judged(checked({"deploy/api.yaml": containers(text)})))


def test_a_suggestion_replaces_the_line_and_says_why() -> None:
    (one,) = suggested(LOW % " # tight")
    assert (one.path, one.line) == ("deploy/api.yaml", 10)
    assert one.before == "            limits: {memory: 150Mi} # tight"
    assert one.body == (
        "**❌ limit too low** `Deployment/api` container `api`: the limit of 150.0 MiB is below 200.0 MiB, the smallest"
        " comfortable limit of its last fit → write `230Mi`\n\n"
        "```suggestion\n            limits: {memory: 230Mi} # tight\n```\n\n"
        "<sub>membudget, rule `limit_below_need`</sub>"
    )


def test_backticks_in_a_line_cannot_end_the_block() -> None:
    (one,) = suggested(LOW % " # ```` @everyone")
    assert "\n`````suggestion\n            limits: {memory: 230Mi} # ```` @everyone\n`````\n" in one.body


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\x07"])
def test_a_line_that_shows_other_than_it_is_gets_no_suggestion(hidden: str) -> None:
    found = judged(checked({"deploy/api.yaml": containers(LOW % "")}))
    (finding,) = found.findings
    assert isinstance(finding.change, AmountChange)
    line = f"{finding.change.amount.line_text} # {hidden}"
    change = replace(finding.change, amount=replace(finding.change.amount, line_text=line))
    assert suggestions(ManifestJudgement((replace(finding, change=change),))) == ()


def test_what_is_added_is_suggested_with_its_line() -> None:
    (one,) = suggested("- name: api\n  image: shop/api\n")
    assert (one.line, one.before) == (8, "          image: shop/api")
    assert "\n```suggestion\n          image: shop/api\n          resources:\n            requests:\n" in one.body
    assert "              memory: 230Mi\n```\n" in one.body


@pytest.mark.thorough
def test_a_line_has_one_suggestion_and_failures_come_first() -> None:
    both = "- {name: api, image: shop/api, resources: {limits: {memory: 150Mi}, requests: {memory: 5Mi}}}\n"
    (one,) = suggested(both)
    assert "limit too low" in one.body
    calm = "- {name: x, image: shop/api, resources: {limits: {memory: 3Gi}, requests: {memory: 130Mi}}}\n"
    assert [one.line for one in suggested(calm + both)] == [8, 7]


def test_what_a_manifest_says_is_quoted() -> None:
    (one,) = suggested((LOW % "").replace("name: api", "name: '@everyone'"))
    assert "container `@everyone`" in one.body
