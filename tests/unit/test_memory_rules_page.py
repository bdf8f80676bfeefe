"""What docs/memory-rules.md says of each rule is true: its default, and the sentence that is printed."""

import re
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.memory_rules import MemoryRule, MemoryRules
from membudget.core.untrusted_text import raw
from membudget.report.memory_words import finding_words
from tests.support.memory_use import COST, broken

PAGE = (Path(__file__).parents[2] / "docs/memory-rules.md").read_text()
RULES = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^###? |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_the_page_has_each_rule() -> None:
    assert list(RULES) == [rule.value for rule in MemoryRule]


def test_all_rules_warn_by_default() -> None:
    assert MemoryRules().switched_on == set(MemoryRule)


@pytest.mark.parametrize("rule", MemoryRule)
def test_the_sentence_on_the_page_is_printed(rule: MemoryRule) -> None:
    (finding,) = broken(rule, COST.deployment)
    *_, shown = re.findall(r"^```\w*\n(.*?)^```", RULES[rule], re.MULTILINE | re.DOTALL)
    assert raw(finding_words(finding)) == " ".join(shown.split())


def test_the_budgets_file_on_the_page_is_one() -> None:
    rules, larger = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    budgets = budgets_file.parse_budgets(f'version = 1\n{rules}\n[images.api]\nlimit = "256MiB"\n', "budgets.toml")
    assert budgets.memory_rules.switched_on == set(MemoryRule) - {MemoryRule.MEMORY_RETURNED}
    image = budgets_file.parse_budgets(f"version = 1\n{larger}", "budgets.toml").images["api"]
    assert set(image.larger_bodies) == {"/upload", "/orders?limit=100"}
