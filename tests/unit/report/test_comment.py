import re
from collections.abc import Sequence

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from membudget.analysis.measurement import Failure, FailureStage
from membudget.report.comment import render
from tests.support.builders import budgets, image, report, side, trial
from tests.support.golden import assert_golden
from tests.unit.report.outcomes import OUTCOMES
from tests.unit.report.reports import REPORTS, everything, said_by_others

SHOWN = {**REPORTS, **OUTCOMES}
TAG = re.compile(r"<(/?[a-z][a-z0-9]*|[!?])", re.IGNORECASE)
OURS = {"h3", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "ul", "li", "strong", "br", "p",
        "details", "summary", "blockquote"}  # fmt: skip
HOSTILE = [
    "a|b\\|c",
    "`tick` ``two``",
    "<img src=x onerror=alert(1)>",
    "</details></code>",
    "<SCRIPT>alert(1)</SCRIPT>",
    "a\\\\|`b`|",
    "octo@localhost www.localhost",
    "@octocat #1 octo/cat#2",
    "[link](https://localhost)",
    "https://localhost/x",
    "![i](x)",
    "--> <!-- membudget:default -->",
    "\u202e rtl \u2066",
    "line\nbreak\r\n::set-output name=verdict::pass",
    "\x1b[31mred\x1b[0m\x07\x00",
    "| --- |",
    "```\nfence",
    "~~~",
    "$x$ \\",
]


def html(markdown: str) -> str:
    """As GitHub's parser makes it, raw HTML kept: whatever slips through is seen."""
    return str(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))


@pytest.mark.parametrize("name", SHOWN)
def test_what_reviewers_read(name: str) -> None:
    made = SHOWN[name]()
    assert_golden(f"comment-{name}.md", render(made, made.judged()))


def test_every_table_is_one() -> None:
    made = everything()
    rows = re.findall(r"<tr>(.*?)</tr>", html(render(made, made.judged())), re.DOTALL)
    assert len(rows) > 40
    assert {len(re.findall(r"<t[hd]", row)) for row in rows} == {8, 7}  # the diff table, and the phases


def test_the_verdict_comes_first_then_what_fails() -> None:
    made = everything()
    lines = render(made, made.judged()).splitlines()
    assert lines[0].startswith("### ❌ membudget: 3 of 10 images over budget")
    assert all("❌" in line or "❔" in line for line in lines[6:12])


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=40), min_size=5, max_size=5))
def test_nothing_from_outside_is_more_than_text(texts: list[str]) -> None:
    made = said_by_others(texts)
    markdown = render(made, made.judged())
    page = html(markdown)

    assert {tag.removeprefix("/") for tag in TAG.findall(page)} <= OURS
    outside_of_code = re.sub(r"<code.*?</code>", "", page, flags=re.DOTALL)
    assert "&lt;" not in outside_of_code
    plain = re.sub(r"<[^>]*>", "", outside_of_code)
    for mark in ("@", "#", "localhost", "octo", "::", "alert"):
        assert mark not in plain
    assert all(character.isprintable() or character in "\n\N{NO-BREAK SPACE}" for character in markdown)
    assert page.count("<table>") == page.count("</table>") == 2
    assert {len(re.findall(r"<t[hd]", row)) for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)} == {8}


def test_what_others_said_is_still_there_to_read() -> None:
    made = said_by_others(["@subject", "@reason", "@log", "@note", "@surroundings"])
    page = html(render(made, made.judged()))
    shown = " ".join(re.findall(r"<code.*?>(.*?)</code>", page, re.DOTALL))
    for text in ("@subject", "@reason", "@log", "@note", "@surroundings"):
        assert text in shown


@pytest.mark.parametrize(
    ("base", "head", "words"),
    [
        ((40, 41), (42, 43), "2 trials a side after a discarded warm-up, median"),
        ((40,), (42,), "1 trial a side after a discarded warm-up"),
        ((40, 41, 42), (), "3 trials of the base, none of the head, after a discarded warm-up, median"),
        ((), (40,), "none of the base, 1 trial of the head, after a discarded warm-up"),
        (None, (40, 41), "2 trials of the head after a discarded warm-up, median"),
        ((), (), "no trials"),
        (None, (), "no trials"),
    ],
)
def test_the_trials_of_each_side_are_counted(base: Sequence[int] | None, head: Sequence[int], words: str) -> None:
    before = side(*map(trial, base)) if base is not None else None
    made = report(image("api", base=before, head=side(*map(trial, head))))
    assert f"- `api`: {words}; limit 128.0 MiB; workload: " in render(made, made.judged())


def test_a_comment_keeps_to_its_length_and_its_failing_rows_longest() -> None:
    allowed = budgets(max_rss=64)
    log = Failure(FailureStage.WORKLOAD, "x", tuple("y" * 300 for _ in range(50)))
    passing = [
        image(f"pass{number}", base=side(trial(40)), head=side(trial(40)), allowed=allowed) for number in range(30)
    ]
    failing = [
        image(f"fail{number}", base=side(trial(40)), head=side(trial(70)), allowed=allowed) for number in range(30)
    ]
    made = report(*passing, *failing, image("broken", head=side(failure=log)))
    judged = made.judged()
    whole = render(made, judged, 10**6)

    without_logs = render(made, judged, len(whole) - 1)
    assert "y" * 100 in whole
    assert "y" * 100 not in without_logs
    assert "`pass3`" in without_logs

    without_details = render(made, judged, len(without_logs) - 1)
    assert "How memory was used" in without_logs
    assert "How memory was used" not in without_details
    assert "`pass3`" in without_details

    failing_alone = render(made, judged, len(without_details) - 1)
    assert "`pass3`" not in failing_alone
    assert "`fail29` **over budget**: peak RSS is 6.0 MiB over its maximum" in failing_alone
    rows = 60 * 9 + 3  # of the broken image only what has a budget; swap of 0 and pressure of none are no rows
    assert f"{rows - 31} rows are left out here" in failing_alone  # 30 fail, one is inconclusive

    short = render(made, judged, 3_000)
    assert 2_700 < len(short) <= 3_000  # as many as there is room for
    assert "`fail3`" in short
    assert "**over budget**" not in short
    assert "rows are left out here" in short

    for longest in (1_000, 400, 100):
        assert len(render(made, judged, longest)) <= longest
