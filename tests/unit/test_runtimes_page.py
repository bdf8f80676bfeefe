"""What docs/runtimes.md says of each rule is true: its default, and examples that break and that keep it."""

import re
from pathlib import Path

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.runtimes import RuntimeRule, RuntimeRules
from membudget.report.runtime_words import finding_words
from tests.support.runtimes import found, of_line

PAGE = (Path(__file__).parents[2] / "docs/runtimes.md").read_text()
RULES = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^###? |\Z)", PAGE, re.MULTILINE | re.DOTALL))
PEAK = 220


def examples(rule: RuntimeRule, title: str) -> list[str]:
    return re.findall(rf"^{title}:\n\n```dockerfile\n(.*?)^```", RULES[rule], re.MULTILINE | re.DOTALL)


def test_the_page_has_each_rule() -> None:
    assert list(RULES) == [rule.value for rule in RuntimeRule]


def test_all_rules_warn_by_default() -> None:
    assert RuntimeRules().switched_on == set(RuntimeRule)


@pytest.mark.parametrize("rule", RuntimeRule)
def test_the_examples_break_and_keep_the_rule(rule: RuntimeRule) -> None:
    breaks, keeps = examples(rule, "Breaks it"), examples(rule, "Keeps it")
    assert breaks
    assert len(breaks) == len(keeps)
    for line in breaks:
        assert [one.rule for one in found(of_line(line), peak=PEAK)] == [rule]
    for line in keeps:
        assert found(of_line(line), peak=PEAK) == ()


@pytest.mark.parametrize("rule", RuntimeRule)
def test_the_printed_value_is_that_of_the_example(rule: RuntimeRule) -> None:
    if rule is RuntimeRule.NO_CONTAINER_SUPPORT:
        return  # the flag is removed, and the next example sets the heap that fits
    for broken, kept in zip(examples(rule, "Breaks it"), examples(rule, "Keeps it"), strict=True):
        (finding,) = found(of_line(broken), peak=PEAK)
        assert finding.fitting is not None
        assert finding.fitting in kept


def test_the_sentence_on_the_page_is_printed() -> None:
    (finding,) = found(of_line('ENV JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=80"'))
    words = "".join(part if isinstance(part, str) else part.text for part in finding_words(finding))
    shown = " ".join(PAGE.split("```\n⚠️", 1)[1].split("```")[0].split())
    assert words in shown.replace(" (written in Dockerfile:12)", "")


def test_the_budgets_file_on_the_page_is_one() -> None:
    (rules,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    budgets = budgets_file.parse_budgets(f'version = 1\n{rules}\n[images.api]\nlimit = "256MiB"\n', "budgets.toml")
    assert RuntimeRule.CEILING_FAR_BELOW_LIMIT not in budgets.runtime_rules.switched_on
