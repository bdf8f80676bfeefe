"""Selectors are read into matchers, and nothing else of them reaches a query."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets import file
from membudget.budgets.selector import Matcher, Selector, of_containers, parse_selector
from membudget.core.errors import BudgetsFileError

_LABELS = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "__name__")
_VALUES = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" \"\\'`{}[]\n\t"), max_size=30)
_MATCHERS = st.builds(Matcher, _LABELS, st.sampled_from(["=", "!=", "=~", "!~"]), _VALUES)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{container="api"}', '{container="api"}'),
        (' { namespace = "shop" , container =~ "api|web", } ', '{namespace="shop",container=~"api|web"}'),
        ("{container='it is'}", '{container="it is"}'),
        (r'{image=~"api\\.v1"}', r'{image=~"api\\.v1"}'),
        (r"{image=~`api\.v1`}", r'{image=~"api\\.v1"}'),
        (r'{pod="say \"hi\""}', r'{pod="say \"hi\""}'),
    ],
)
def test_a_selector_is_written_with_quoted_values(text: str, written: str) -> None:
    assert str(parse_selector(text)) == written


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("api", "label matchers as PromQL"),
        ("", "label matchers as PromQL"),
        ("{}", "1 to 10 matchers"),
        ('{container="api"}[14d]) or vector(1', "label matchers as PromQL"),
        ('{container="api"} or {container="db"}', "label matchers as PromQL"),
        ('{container="api" namespace="shop"}', "label matchers as PromQL"),
        ('{container="api"}) or ({container="db"}', "label matchers as PromQL"),
        ("{container=api}", "label matchers as PromQL"),
        ('{container="api}', "label matchers as PromQL"),
        ('{__name__="secret"}', "no matcher for __name__"),
        (r'{image=~"a\.b"}', r"write \\. for a dot"),
        ('{container="a\x1b[2J"}', "without control characters"),
        ('{container="' + 500 * "a" + '"}', "500 characters or fewer"),
        ("{" + ",".join(f'a{number}="b"' for number in range(11)) + "}", "1 to 10 matchers"),
        ('{container="api"} # }', "label matchers as PromQL"),
    ],
)
def test_what_is_no_selector_is_refused_with_what_is_allowed(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        parse_selector(text)


@pytest.mark.thorough
@given(st.lists(_MATCHERS, min_size=1, max_size=10))
def test_a_written_selector_means_the_same(matchers: list[Matcher]) -> None:
    selector = Selector(tuple(matchers))
    if len(str(selector)) <= 500:
        assert parse_selector(str(selector)) == selector


@given(_VALUES)
def test_no_value_ends_its_own_quotes(value: str) -> None:
    written = str(of_containers([value]))
    inside = re.fullmatch(r'\{container="((?:[^"\\\n]|\\.)*)"\}', written)
    assert inside is not None


def test_a_budgets_file_is_told_where_its_selector_is_wrong() -> None:
    text = 'version = 1\n[images.api]\nlimit = "64MiB"\nproduction.selector = "api"\n'
    with pytest.raises(BudgetsFileError, match="label matchers as PromQL") as raised:
        file.parse_budgets(text, "budgets.toml")
    assert [(problem.key, problem.line) for problem in raised.value.problems] == [
        ("images.api.production.selector", 4)
    ]  # fmt: skip


@pytest.mark.parametrize("scale", ["0.5", "101", "nan", "inf", '"1.6"', "true"])
def test_a_scale_is_a_number_from_1(scale: str) -> None:
    text = f'version = 1\n[images.api]\nlimit = "64MiB"\nproduction.scale = {scale}\n'
    with pytest.raises(BudgetsFileError, match="a number from 1 to 100"):
        file.parse_budgets(text, "budgets.toml")
