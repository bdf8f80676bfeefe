"""The use of memory in words."""

from dataclasses import replace

from membudget.budgets.memory_rules import MemoryRule
from membudget.core.untrusted_text import raw
from membudget.judge.larger_bodies import LargerBodies
from membudget.report.findings import Finding
from membudget.report.memory_words import finding_words, larger_items, memory_section
from tests.support.golden import assert_golden
from tests.support.memory_use import (
    BREAKING,
    COST,
    LARGER,
    broken,
    found,
    image_of,
    plain,
    with_huge_pages,
    with_sidecars,
)


def test_what_is_said() -> None:
    trials = [with_sidecars(150, 60, "proxy", "agent"), replace(with_huge_pages(), settings=replace(
        with_huge_pages().settings, transparent_huge_pages=None))]  # fmt: skip
    said = [raw(finding_words(one)) for rule in MemoryRule for one in broken(rule, COST.deployment)]
    said += [raw(finding_words(one)) for trial in trials for one in found(trial, where=COST.deployment)]
    said += [raw(finding_words(one)) for one in found(BREAKING[MemoryRule.PAGE_CACHE])]
    assert_golden("memory-findings.txt", "\n".join(said) + "\n")


def test_the_name_of_a_sidecar_is_quoted() -> None:
    (finding,) = found(with_sidecars(110, 60, "a`](https://evil.example) <b>\x1b[31m"))
    text = Finding(finding_words(finding)).as_markdown()
    assert "\x1b" not in text
    assert "`` a`](https://evil.example) <b> ``" in text, "as code"


def test_what_larger_bodies_did_is_told_in_any_case() -> None:
    made = image_of(plain())
    said = [
        raw(item.finding.parts)
        for larger in (LARGER, LargerBodies(reason="the service answered `413`"), LargerBodies(peaks=(1,)), None)
        for item in larger_items(replace(made, larger=larger))
    ]
    assert said == [
        "api: larger bodies (POST /upload, 40.0 MiB instead of 4.0 MiB): peak RSS 132.0 MiB, 135.0 MiB",
        "api: larger bodies were not measured (the service answered `413`)",
        "api: larger bodies were not measured (no body of a request or a response was larger)",
    ]


def test_without_findings_there_is_no_section() -> None:
    assert not any(block.elements for block in memory_section(()).blocks)
