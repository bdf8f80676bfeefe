"""What docs/manifests.md says of each rule is true: its default, and an example that breaks and one that keeps it."""

import re
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.manifests import ManifestRule, ManifestRules
from tests.support.manifests import found_in

PAGE = (Path(__file__).parents[2] / "docs/manifests.md").read_text()
RULES = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^###? |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def example(rule: ManifestRule, title: str) -> str | None:
    found = re.search(rf"^{title}:\n\n```yaml\n(.*?)^```", RULES[rule], re.MULTILINE | re.DOTALL)
    return found[1] if found is not None else None


def test_the_page_has_each_rule() -> None:
    assert list(RULES) == [rule.value for rule in ManifestRule]


@pytest.mark.parametrize("rule", ManifestRule)
def test_the_defaults_on_the_page_are_those_of_the_file(rule: ManifestRule) -> None:
    assert f"Default: {ManifestRules().severity(rule)}." in RULES[rule]


@pytest.mark.parametrize("rule", ManifestRule)
def test_the_examples_break_and_keep_the_rule(rule: ManifestRule) -> None:
    breaks, keeps, base = (example(rule, title) for title in ("Breaks it", "Keeps it", "In the base"))
    assert breaks is not None
    assert keeps is not None
    assert [one.rule for one in found_in(breaks, base=base) if one.rule is rule] == [rule]
    assert [one.rule for one in found_in(keeps, base=base) if one.rule is rule] == []


def test_the_budgets_file_on_the_page_is_one() -> None:
    text, rules = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    budgets = budgets_file.parse_budgets(text + rules, "budgets.toml")
    assert len(budgets.manifests) == 4
    assert budgets.manifest_rules.no_request == "fail"
