import html
import json
import re
from collections.abc import Callable

import cmarkgfm
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from membudget.core.untrusted_text import (
    Part,
    Quoted,
    code_block,
    code_cell,
    code_span,
    in_html,
    in_markdown,
    in_plain_text,
    json_without_commands,
    printable,
    printable_line,
)

anything = st.text(max_size=80) | st.text(alphabet="`|\\ \n<>@#[]()!*_~$", max_size=30)


@given(anything, st.integers(1, 50))
def test_printable_text_is_one_line_and_short(text: str, longest: int) -> None:
    clean = printable(text, longest)
    assert len(clean) <= longest
    assert all(character.isprintable() for character in clean)
    assert printable(clean, longest) == clean


@given(anything, st.integers(1, 50))
@example("\u1680x\u3000y\xa0z", 50)  # spaces that are none of ours
def test_a_line_of_a_log_keeps_its_spaces(text: str, longest: int) -> None:
    clean = printable_line(text, longest)
    assert len(clean) <= longest
    assert all(character.isprintable() for character in clean)
    assert printable_line("  two  spaces\tand a tab \n", 300) == "  two  spaces   and a tab"


def test_terminal_sequences_go_whole() -> None:
    assert printable("\x1b[31mred\x1b[0m \x1b]0;title\x07text\u202e") == "red text"


@pytest.mark.thorough
@given(anything)
def test_a_code_span_shows_the_text_and_nothing_else(text: str) -> None:
    page = cmarkgfm.github_flavored_markdown_to_html(f"before {code_span(text)} after")
    shown = re.fullmatch(r"<p>before <code>(.*)</code> after</p>\n", page)
    assert shown is not None
    assert html.unescape(shown[1]).strip() == (printable(text) or "(empty)").strip()


@given(anything)
def test_a_code_cell_stays_in_its_cell(text: str) -> None:
    page = cmarkgfm.github_flavored_markdown_to_html(f"| a | b |\n| - | - |\n| {code_cell(text)} | x |\n")
    assert page.count("<td>") == 2
    assert "<td>x</td>" in page


@given(st.lists(anything, min_size=1, max_size=6))
@example(["```", "# out", "````", "~~~"])
def test_a_code_block_is_not_left(lines: list[str]) -> None:
    page = cmarkgfm.github_flavored_markdown_to_html(f"{code_block(tuple(lines))}\n\nafter")
    assert re.fullmatch(r"<pre lang=\"text\"><code>[^<]*</code></pre>\n<p>after</p>\n", page)


@pytest.mark.thorough
@given(st.recursive(anything, lambda inner: st.lists(inner) | st.dictionaries(anything, inner)))
@example({"##[error]": ["##[group]", "###[", "\\##["]})
def test_json_without_commands_says_the_same(value: object) -> None:
    for indent in (None, 1):
        document = json_without_commands(json.dumps(value, ensure_ascii=False, indent=indent))
        assert "##[" not in document
        assert json.loads(document) == value


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        (in_markdown, "`<b>@you</b>`"),
        (in_plain_text, "<b>@you</b>"),
        (in_html, "<code>&lt;b&gt;@you&lt;/b&gt;</code>"),
    ],
)
def test_each_format_escapes_what_is_quoted(show: Callable[[Part], str], shown: str) -> None:
    assert show(Quoted("<b>\x1b[31m@you</b>")) == shown
    assert show("1 of 2 trials") == "1 of 2 trials"
