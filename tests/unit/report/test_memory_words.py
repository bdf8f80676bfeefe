"""The use of memory in words."""

from dataclasses import replace

from membudget.budgets.memory_rules import MemoryRule
from membudget.core.untrusted_text import raw
from membudget.report.findings import Finding
from membudget.report.memory_words import finding_words, memory_section
from tests.support.golden import assert_golden
from tests.support.memory_use import BREAKING, COST, found, with_huge_pages, with_sidecars


def test_what_is_said() -> None:
    trials = [*BREAKING.values(), with_sidecars(150, 60, "proxy", "agent"), replace(with_huge_pages(), settings=replace(
        with_huge_pages().settings, transparent_huge_pages=None))]  # fmt: skip
    said = [raw(finding_words(one)) for trial in trials for one in found(trial, where=COST.deployment)]
    said += [raw(finding_words(one)) for one in found(BREAKING[MemoryRule.PAGE_CACHE])]
    assert_golden("memory-findings.txt", "\n".join(said) + "\n")


def test_the_name_of_a_sidecar_is_quoted() -> None:
    (finding,) = found(with_sidecars(110, 60, "a`](https://evil.example) <b>\x1b[31m"))
    text = Finding(finding_words(finding)).as_markdown()
    assert "\x1b" not in text
    assert "`` a`](https://evil.example) <b> ``" in text, "as code"


def test_without_findings_there_is_no_section() -> None:
    assert not any(block.elements for block in memory_section(()).blocks)
