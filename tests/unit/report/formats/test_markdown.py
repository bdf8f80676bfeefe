import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from github_page import to_html
from membudget.judge.image import Status
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement, Presence
from membudget.report.formats.markdown import render
from membudget.report.report import Report
from membudget.report.verdicts import next_step
from tests.support.builders import budgets, image, report, side, trial
from tests.support.golden import assert_golden
from tests.unit.report.outcomes import OUTCOMES
from tests.unit.report.reports import BUILD, REPORTS, everything, in_phases, killed, said_by_others

SHOWN = {**REPORTS, **OUTCOMES}
TAG = re.compile(r"<(/?[a-z][a-z0-9]*|[!?])", re.IGNORECASE)
OURS = {"h3", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "ul", "li", "strong", "br", "p",
        "details", "summary", "blockquote", "sub"}  # fmt: skip
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


@pytest.mark.thorough
@pytest.mark.parametrize("name", SHOWN)
def test_what_reviewers_read(name: str) -> None:
    made = SHOWN[name]()
    assert_golden(f"comment-{name}.md", render(made.judged()))


def tables(markdown: str) -> list[list[int]]:
    """How many cells each row of each table has."""
    found = re.findall(r"<table>(.*?)</table>", to_html(markdown), re.DOTALL)
    return [[len(re.findall(r"<t[hd]", row)) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)]
            for table in found]  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", SHOWN)
def test_every_table_is_one(name: str) -> None:
    made = SHOWN[name]()
    markdown = render(made.judged())
    found = tables(markdown)
    assert found
    assert all(len(set(table)) == 1 for table in found)
    lines_of_tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert sum(map(len, found)) == len(lines_of_tables) - len(found)  # no row fell out: only alignments are none


@pytest.mark.thorough
def test_the_verdict_comes_first_then_what_fails() -> None:
    made = everything()
    lines = render(made.judged()).splitlines()
    assert lines[0].startswith("### ❌ membudget: 3 of 10 images over budget; `worker` is OOM-killed at 64.0 MiB; ")
    first_table = lines[lines.index("| status | image, metric | base | head | delta | budget | headroom |") + 2 :][:7]
    assert [line.split("|")[1].strip().replace("\N{NO-BREAK SPACE}", " ") for line in first_table] == [
        "💥 OOM-killed", "❌ over budget", "❌ over budget", "❓ inconclusive", "🛑 workload failed",
        "🚧 build failed", "❓ not measured",
    ]  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("name", SHOWN)
def test_each_outcome_has_exactly_one_next_step(name: str) -> None:
    made = SHOWN[name]()
    judged = made.judged().judgement
    text = render(made.judged())
    rows = {status: [row for one in judged.images if one.status is status for row in one.rows] for status in Status}
    steps = {image.status: step for image in judged.images if (step := next_step(image.status, rows[image.status]))}
    for status, step in steps.items():
        assert text.count(f"{status}** → {step}\n") == text.count(f"→ {step}") == 1


@pytest.mark.thorough
@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_says_at_once_what_it_is(name: str) -> None:
    made = OUTCOMES[name]()
    words = {"no-base": "no base", "near-its-budget": "near its budget", "within-budget": "within budget",
             "off-its-fit": "limit does not match its fit", "costed": "over budget", "fitted": "within budget",
             "deployed": "limit lowered too far", "profiled": "over budget",
             "runtimes": "2 runtime settings do not fit", "savings": "within budget",
             "growing": "near its budget"}  # fmt: skip
    first = "\n".join(render(made.judged()).splitlines()[:3])
    assert words.get(name, name.replace("oom", "OOM").replace("workload-f", "workload f").replace("over-", "over ")
                     .replace("build-", "build ")) in first  # fmt: skip


def test_base_and_head_over_time_share_a_scale() -> None:
    made = report(image("api", base=side(in_phases(35)), head=side(in_phases(70))))
    row = next(line for line in render(made.judged()).splitlines() if "peak\N{NO-BREAK SPACE}RSS |" in line)
    assert "35.0\N{NO-BREAK SPACE}MiB<br>`▂▄▅▄▅▅▄▃▃▃` | 70.0\N{NO-BREAK SPACE}MiB<br>`▄██████▅▅▅`" in row


@pytest.mark.thorough
def test_the_run_is_linked_where_it_is_known() -> None:
    made = everything()
    url = "https://localhost/shop/actions/runs/7"
    assert f" · [run]({url})</sub>" in render(made.judged(), run_url=url)
    short = render(made.judged(), 3_000, run_url=url)
    assert f"the [job's summary]({url}) shows more" in short
    assert "](" not in render(made.judged(), 3_000)


def named(made: Report, names: Sequence[str]) -> Report:
    """With images whose names are no names: what reads a report refuses those, and rendering does not rely on it."""
    images = [
        replace(one, name=f"{name}{number}")
        for number, (one, name) in enumerate(zip(made.images, cycle(names), strict=False))
    ]
    return made.model_copy(update={"images": tuple(images)})


@pytest.mark.thorough
@settings(max_examples=40)
@example(list(HOSTILE[:5]))
@example(list(HOSTILE[5:10]))
@example(list(HOSTILE[10:15]))
@example(list(HOSTILE[-5:]))
@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=40), min_size=5, max_size=5))
def test_nothing_from_outside_is_more_than_text(texts: list[str]) -> None:
    made = named(said_by_others(texts), texts)
    markdown = render(made.judged())
    page = to_html(markdown)

    assert {tag.removeprefix("/") for tag in TAG.findall(page)} <= OURS
    outside_of_code = re.sub(r"<code.*?</code>", "", page, flags=re.DOTALL)
    assert "&lt;" not in outside_of_code
    plain = re.sub(r"<[^>]*>", "", outside_of_code)
    for mark in ("@", "#", "localhost", "octo", "::", "alert"):
        assert mark not in plain
    assert "\n::" not in markdown
    assert all(character.isprintable() or character in "\n\N{NO-BREAK SPACE}" for character in markdown)
    found = tables(markdown)
    assert [set(table) for table in found] == [{7}, {7}, {5}, {5}]
    assert page.count("<details") == page.count("</details>") == page.count("<summary>")


@pytest.mark.thorough
def test_what_others_said_is_still_there_to_read() -> None:
    made = said_by_others(["@subject", "@reason", "@log", "@note", "@surroundings"])
    page = to_html(render(made.judged()))
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
    assert f"- `api`: {words}; limit 128.0 MiB; workload: " in render(made.judged())


@pytest.mark.thorough
def test_a_comment_keeps_to_its_length_and_its_failing_rows_longest() -> None:
    allowed = budgets(max_rss=64)
    log = Failure(FailureStage.WORKLOAD, "x", tuple("y" * 300 for _ in range(50)))
    passing = [
        image(f"pass{number}", base=side(trial(40)), head=side(trial(40)), allowed=allowed) for number in range(12)
    ]
    failing = [
        image(f"fail{number}", base=side(trial(40)), head=side(trial(70)), allowed=allowed) for number in range(12)
    ]
    made = report(*passing, *failing, image("broken", head=side(failure=log)))
    judged = made.judged()
    whole = render(judged, 10**6)
    marks = {
        "charts": "```mermaid", "figures": "out a budget</s", "details": "What was compared", "logs": "y" * 100,
        "passing": "`pass0`<br>", "why": "`fail0`: peak RSS is", "compared": "<sub>base", "failing": "`fail0`<br>",
    }  # fmt: skip
    assert all(mark in whole for mark in marks.values())
    gone = []
    for longest in range(len(whole), 100, -400):
        text = render(judged, longest)
        assert len(text) <= longest
        gone += [name for name, mark in marks.items() if mark not in text and name not in gone]
    assert gone == list(marks)

    short = render(judged, 3_000)
    assert 2_800 < len(short) <= 3_000  # as many as there is room for
    assert "`fail3`" in short
    assert "figures are left out here" in short
    for longest in (1_000, 400, 100):
        assert len(render(made.judged(), longest)) <= longest


FATES: dict[str, Callable[[str], ImageMeasurement]] = {
    "pass": lambda name: image(name, base=side(trial(40)), head=side(trial(41)), allowed=budgets(max_rss=64)),
    "fail": lambda name: image(name, base=side(in_phases(40)), head=side(in_phases(70)), allowed=budgets(max_rss=64)),
    "killed": lambda name: image(name, base=side(trial(40)), head=side(killed()), limit=64),
    "unbuilt": lambda name: image(name, head=side(failure=BUILD, size=None), allowed=budgets(max_rss=64, max_size=9)),
    "new": lambda name: image(name, presence=Presence.NEW, head=side(trial(30)), allowed=budgets(rss_growth=(5, 2))),
    "gone": lambda name: image(name, presence=Presence.REMOVED),
}


@pytest.mark.thorough
@given(
    st.lists(st.tuples(st.sampled_from(sorted(FATES)), st.integers(1, 60)), min_size=1, max_size=60),
    st.integers(1_500, 60_000),
)
@settings(deadline=None, max_examples=60)
def test_whatever_is_cut_tables_stay_whole_and_failures_stay(fates: list[tuple[str, int]], longest: int) -> None:
    made = report(*(FATES[fate](f"{fate}{number}{'x' * length}") for number, (fate, length) in enumerate(fates)))
    text, whole = render(made.judged(), longest), render(made.judged(), 10**7)

    assert len(text) <= longest
    assert text == whole or "left out here" in text
    found = tables(text)
    assert all(len(set(table)) == 1 and len(table) > 1 for table in found)
    assert text.count("```") % 2 == 0
    assert text.count("<details") == text.count("</details>")
    rows = [line for line in whole.splitlines() if line.startswith(("| ❌", "| 💥", "| 🚧", "| ❓"))]
    kept = [line for line in text.splitlines() if line in rows]
    assert kept == rows[: len(kept)]
    if any(line.startswith(("| ✅", "| ➖", "<sub>", "- `")) for line in text.splitlines()):
        assert kept == rows


@pytest.mark.thorough
def test_the_limits_of_fits_are_left_out_first() -> None:
    result = OUTCOMES["fitted"]().judged()
    whole = render(result)
    fold = re.search(r"<details><summary>Limits that fit tried.*?</details>\n\n", whole, re.DOTALL)
    assert fold is not None
    for longest in (len(whole) - 1, len(whole) - len(fold[0]) // 2, len(whole) - len(fold[0]) + 200):
        shorter = render(result, longest)
        assert len(shorter) <= longest
        assert len(re.findall("seconds", shorter)) == len(re.findall("seconds", whole)), "no chart of memory is lost"
    assert "Limits that fit tried" not in render(result, len(whole) - len(fold[0]) + 200)
