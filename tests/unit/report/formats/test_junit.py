from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from membudget.judge.whole import Coverage
from membudget.report.formats.junit import render
from membudget.report.report import Report
from tests.support.builders import budgets, image, report, side, trial
from tests.support.golden import assert_golden
from tests.support.hostile_report import hostile_report
from tests.unit.report.reports import REPORTS, everything, said_by_others

# What the schemas of Apache Ant and of Jenkins both allow: attributes that must be there, and children in their order.
STRUCTURE: dict[str, tuple[set[str], list[str]]] = {
    "testsuites": (set(), ["testsuite"]),
    "testsuite": (
        {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), []),
    "testcase": ({"name", "classname", "time"}, ["failure", "error", "skipped"]),
    "failure": ({"type", "message"}, []),
    "error": ({"type", "message"}, []),
    "skipped": ({"message"}, []),
    "system-out": (set(), []),
    "system-err": (set(), []),
}


def parsed(made: Report) -> ET.Element:
    """The document, which has to have the structure."""
    root = ET.fromstring(render(made.judged()))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = STRUCTURE[element.tag]
        assert set(element.attrib) == attributes
        found = [child.tag for child in element]
        assert found == sorted(found, key=children.index), "in their order, and no other"
    for number, suite in enumerate(root):
        assert suite.get("id") == str(number)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(attribute) == str(len(suite.findall(f"testcase/{tag}")))
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        for once in ("properties", "system-out", "system-err"):
            assert len(suite.findall(once)) == 1, "Ant's schema wants each"
        assert all(len(case) <= 1 for case in suite.findall("testcase"))
    return root


@pytest.mark.thorough
@pytest.mark.parametrize("name", REPORTS)
def test_what_a_ci_server_reads(name: str) -> None:
    made = REPORTS[name]()
    parsed(made)
    assert_golden(f"junit-{name}.xml", render(made.judged()))


def missing_shard() -> Report:
    return REPORTS["all-pass"]().model_copy(
        update={"coverage": Coverage(("api", "worker", "lost"), ("api", "worker", "lost"), missing_shards=(2,))}
    )


def with_leak_only() -> Report:
    """An image whose workload failed with nothing to judge by."""
    made = everything()
    mail = next(one for one in made.images if one.name == "mail")
    return report(replace(mail, budgets={}))


@pytest.mark.thorough
@pytest.mark.parametrize("make", [*REPORTS.values(), hostile_report, report, missing_shard, with_leak_only])
def test_it_fails_exactly_when_the_check_does(make: Callable[[], Report]) -> None:
    made = make()
    root = parsed(made)
    assert bool(root.findall(".//failure") + root.findall(".//error")) is not made.judged().judgement.verdict.passes


def test_a_failure_says_what_was_measured_and_what_was_allowed() -> None:
    grown = budgets(max_rss=64, rss_growth=(5, 2))
    made = report(image("api", base=side(trial(40)), head=side(trial(70)), allowed=grown))
    (failure,) = parsed(made).findall("testsuite[@name='api']/testcase[@name='peak RSS']/failure")
    assert failure.get("message", "").startswith("peak RSS is 6.0 MiB over max 64.0 MiB and grew by 30.0 MiB")
    assert failure.text is not None
    table = "images.api.budgets.peak_rss"
    keys = f'{table}.max = "75MiB" and {table}.growth = {{ percent = 5, floor = "32MiB" }}'
    assert failure.text.splitlines() == [
        "base: 40.0 MiB", "head: 70.0 MiB", "delta: +30.0 MiB (+75.0%)", "budget: max 64.0 MiB, growth +2.0 MiB",
        "headroom: over max by 6.0 MiB, over growth by 28.0 MiB", "status: ❌ over budget",
        "❌ over budget → make it smaller, or accept it in budgets.toml",
        f"- to accept: set in budgets.toml {keys}, or paste the exception below",
    ]  # fmt: skip
    whole = parsed(made).findtext("testsuite[@name='membudget']/system-out")
    assert whole is not None
    assert 'allow = "75MiB"' in whole.splitlines()


def test_a_reason_that_ends_like_a_row_is_still_told() -> None:
    """The first failing row of two is one case. What it says is data: no text is compared."""
    both = budgets(max_rss=64, max_size=90)
    made = report(image("api", base=side(trial(40)), head=side(trial(70)), allowed=both))
    suite = parsed(made).find("testsuite[@name='api']")
    assert suite is not None
    size, rss = suite.findall("testcase/failure")
    assert (size.get("message"), rss.get("message")) == (
        "image size is 10.0 MiB over max 90.0 MiB",
        "peak RSS is 6.0 MiB over max 64.0 MiB",
    )
    every = "- api: image size is over max; peak RSS is over max"
    assert every in (size.text or "").splitlines()


def test_a_group_is_told_with_its_own_words() -> None:
    messages = [failure.get("message", "") for failure in parsed(REPORTS["guarded"]()).iter("failure")]
    assert "total image size is 50.0 MiB over max 350.0 MiB" in messages


@pytest.mark.thorough
@settings(max_examples=40)
@example(["::error::x", "\n::error::x", "##[error]x", "]]><failure>", "\x00\x1b[31m"])
@given(st.lists(st.text(max_size=40), min_size=5, max_size=5))
def test_whatever_others_say_it_is_xml_that_commands_no_runner(texts: list[str]) -> None:
    made = said_by_others(texts)
    parsed(made)
    text = render(made.judged())
    assert "##[" not in text
    assert not any(line.strip().startswith("::") for line in text.splitlines())


@pytest.mark.parametrize(("year", "hours"), [(1, 14), (9999, -14)])
def test_a_time_beyond_what_utc_has_is_told_as_it_is(year: int, hours: int) -> None:
    edge = datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, 12, tzinfo=timezone(timedelta(hours=hours)))
    root = parsed(report(image()).model_copy(update={"started_at": edge}))
    assert root[0].get("timestamp") == edge.replace(tzinfo=None).isoformat()
