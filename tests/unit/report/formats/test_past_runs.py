"""The runs that a comment carries on: what anybody may have written there is read as that."""

import base64
import json
from typing import Any

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from membudget.judge.metric import Verdict
from membudget.report.formats.past_runs import LONGEST_RESULT, MOST_RUNS, PastRun, carried_on, decode, encode, render

HEAD = "b" * 12
GOOD = {"head": HEAD, "verdict": "pass", "result": "fine", "id": 9, "number": 1, "attempt": 1}
NUMBERS = st.integers(0, 10**18)
RUNS = st.builds(
    PastRun,
    head=st.text("0123456789abcdef", min_size=12, max_size=12),
    verdict=st.sampled_from(Verdict),
    result=st.text(st.characters(codec="utf-8"), max_size=LONGEST_RESULT),
    id=NUMBERS,
    number=NUMBERS,
    attempt=NUMBERS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def record(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return f"<!-- membudget-runs:{base64.b64encode(text).decode()} -->"


def link(run: PastRun) -> str:
    return f"https://github.com/octo/shop/actions/runs/{run.id}"


def html_of(markdown: str) -> str:
    """With whatever HTML is in it, which GitHub would only clean."""
    html: str = github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    return html


def run(number: int = 1, result: str = "fine") -> PastRun:
    return PastRun(head=HEAD, verdict=Verdict.PASS, result=result, id=900 + number, number=number, attempt=1)


@pytest.mark.thorough
@given(st.lists(RUNS, max_size=MOST_RUNS))
def test_a_record_gives_back_what_was_put_in(runs: list[PastRun]) -> None:
    line = encode(runs)
    assert "\n" not in line
    assert decode(line) == tuple(runs)


def test_the_longest_record_is_read() -> None:
    runs = tuple(run(10**18 - number, "\N{PILE OF POO}" * LONGEST_RESULT) for number in range(1000, 1000 + MOST_RUNS))
    assert decode(encode(runs)) == runs


@pytest.mark.thorough
@given(st.text() | st.text().map(lambda text: f"<!-- membudget-runs:{text} -->"))
def test_a_line_that_is_no_record_has_no_runs(line: str) -> None:
    assert decode(line) == ()


@pytest.mark.thorough
@given(JSON | st.binary().map(bytes))
def test_a_record_of_something_else_has_no_runs(content: Any) -> None:
    assert decode(record(content)) == () or content == []


@pytest.mark.thorough
@given(st.dictionaries(st.sampled_from([*GOOD, "more"]), JSON, min_size=1, max_size=3))
def test_a_run_with_something_wrong_in_it_is_none_or_exactly_one(wrong: dict[str, Any]) -> None:
    mutated = {**GOOD, **wrong}
    found = decode(record([mutated]))
    assert found == () or (json.loads(found[0].model_dump_json()) == mutated and len(found) == 1)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_record_with_other_bytes_in_it_is_read_as_runs_or_not_at_all(place: int, other: bytes) -> None:
    text = encode([run(1), run(2)]).encode()
    place = min(place, len(text) - 1)
    mutated = (text[:place] + other + text[place + len(other) :]).decode(errors="surrogateescape")
    assert all(isinstance(one, PastRun) for one in decode(mutated))


@pytest.mark.parametrize(
    "content",
    [
        [GOOD] * (MOST_RUNS + 1),
        [GOOD | {"head": HEAD.upper()}],
        [GOOD | {"head": HEAD + "\n"}],
        [GOOD | {"head": "0" * 40}],
        [GOOD | {"verdict": "PASS"}],
        [GOOD | {"id": "9"}],
        [GOOD | {"id": 9.0}],
        [GOOD | {"id": True}],
        [GOOD | {"id": -1}],
        [GOOD | {"number": 10**400}],
        [GOOD | {"result": "x" * (LONGEST_RESULT + 1)}],
        [GOOD | {"result": None}],
        [{key: value for key, value in GOOD.items() if key != "attempt"}],
        GOOD,
        {"0": GOOD},
        [[GOOD]],
        b"[" * 2000,
        b"[" * 2000 + b"]" * 2000,
        b'[{"a":' * 500,
        b'{"head": "\\ud800"}',
        json.dumps([GOOD]).replace("fine", "\\ud800").encode(),
        b"[NaN]",
        b"\xff\xfe",
        b"",
        json.dumps([GOOD]).encode() + b"\x00",
        json.dumps([GOOD]).encode("utf-16"),
        json.dumps([GOOD] * 4).encode() + b" " * 10_000,
    ],
)
def test_what_is_nearly_a_record(content: Any) -> None:
    assert decode(record(content)) == ()


@pytest.mark.parametrize(
    "line",
    [
        "<!-- membudget-runs: -->",
        "<!-- membudget-runs:W10 -->",
        "<!-- membudget-runs:W10=\n -->",
        "<!-- membudget-runs:W10=--><img src=x> -->",
        " <!-- membudget-runs:W10= -->",
        "<!-- membudget-runs:W10= --> ",
        "<!-- membudget-runs:W10=\N{FULLWIDTH EQUALS SIGN} -->",
        "<!-- membudget-runs:" + "A" * 10_000_000 + " -->",
    ],
)
def test_a_line_that_is_nearly_one(line: str) -> None:
    assert decode(line) == ()


@pytest.mark.thorough
@given(st.lists(RUNS, min_size=2, max_size=MOST_RUNS))
def test_whatever_a_record_says_is_quoted(runs: list[PastRun]) -> None:
    shown = html_of(render(decode(encode(runs)), link))
    assert shown.count("<tr>") == 1 + len(runs)
    for opened in shown.split("<")[1:]:
        assert opened.split(">")[0].split(" ")[0].strip("/") in (
            *("details", "summary", "table", "thead", "tbody", "tr", "th", "td", "code", "a", "br", "p"),
        )
    assert all('href="https://github.com/octo/shop/actions/runs/' in part for part in shown.split("<a ")[1:])


@pytest.mark.parametrize(
    "result",
    [
        "</code></td></table><script>alert(1)</script>",
        "`` ` ``` | x | y |",
        "@everyone #1 https://evil.example/ [x](javascript:alert(1)) ![x](https://evil.example/x.png)",
        "a\r\n::error::gotcha\u2028\u202e\x1b[31mred",
        "<!-- --> </details> <details open>",
        "\\|\\`|",
        "",
    ],
)
def test_markup_in_a_result_is_text(result: str) -> None:
    rendered = render(decode(encode([run(2, result), run(1)])), link)
    shown = html_of(rendered)
    assert shown.count("<tr>") == 3
    assert shown.count("<td") == 8
    assert shown.count("<a ") == 2
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("<details") == 1
    assert not {"\r", "\u2028", "\u202e", "\x1b"} & set(rendered)


@pytest.mark.thorough
@given(st.lists(RUNS, max_size=MOST_RUNS), RUNS)
def test_a_run_is_carried_on_once_and_the_newest_is_first(earlier: list[PastRun], now: PastRun) -> None:
    kept = carried_on(earlier, now)
    assert kept[0] == now
    assert len(kept) <= MOST_RUNS
    assert [(one.id, one.attempt) for one in kept].count((now.id, now.attempt)) == 1
