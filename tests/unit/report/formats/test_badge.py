"""Badges: what they say, their colour, and that nobody's text becomes markup."""

import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, KIB, MIB
from membudget.history.standing import Newest, Standing
from membudget.report.formats.badge import message_of, render_shields, render_svg
from tests.support.golden import assert_golden

SVG = "{http://www.w3.org/2000/svg}"
NEAR = Newest(Metric.PEAK_RSS, 91 * MIB, 96 * MIB)


@pytest.mark.parametrize(
    ("value", "budget", "message"),
    [
        (73 * MIB, 96 * MIB, "73 of 96 MiB"),
        (73 * MIB + 400 * KIB, 96 * MIB, "73.4 of 96 MiB"),
        (73 * MIB, None, "73 MiB"),
        (None, None, "unknown"),
        (1536 * MIB, 2 * GIB, "1.5 of 2 GiB"),
        (96 * MIB + 30 * KIB, 96 * MIB, "96.03 of 96 MiB"),
        (96 * MIB + 1, 96 * MIB, "96 MiB of 96 MiB"),
        (96 * MIB, 96 * MIB, "96 of 96 MiB"),
        (300, 2 * GIB, "300 B of 2 GiB"),
        (214 * MIB, GIB, "214 MiB of 1 GiB"),
        (0, 96 * MIB, "0 of 96 MiB"),
    ],
)
def test_value_and_budget_share_a_unit(value: int | None, budget: int | None, message: str) -> None:
    assert message_of(Newest(Metric.PEAK_RSS, value, budget)) == message


def test_other_units_and_minimums_have_words_of_their_own() -> None:
    assert message_of(Newest(Metric.STARTUP_TIME, 1500, 2000)) == "1.5 s of 2 s"
    assert message_of(Newest(Metric.REQUESTS_PER_SECOND, 950_000, 900_000)) == "950/s, at least 900/s"
    assert message_of(Newest(Metric.OOM_KILLS, 0, 0)) == "0 of 0"
    assert message_of(Newest(Metric.PEAK_RSS, MIB, None, is_lower_bound=True)) == "≥ 1 MiB"


def test_the_json_is_what_shields_io_reads() -> None:
    assert json.loads(render_shields(NEAR, "peak RSS")) == {
        "schemaVersion": 1,
        "label": "peak RSS",
        "message": "91 of 96 MiB",
        "color": "orange",
    }


@pytest.mark.parametrize(
    ("value", "budget", "colour"),
    [(1, 9, "brightgreen"), (9, 9, "orange"), (10, 9, "red"), (1, None, "blue"), (None, None, "lightgrey")],
)
def test_each_standing_has_a_colour(value: int | None, budget: int | None, colour: str) -> None:
    newest = Newest(Metric.PEAK_RSS, value, budget)
    assert json.loads(render_shields(newest, "x"))["color"] == colour


def test_every_standing_has_an_svg_of_its_own() -> None:
    figures = {(1, 9), (9, 9), (10, 9), (1, None), (None, None)}
    fills = {ET.fromstring(render_svg(Newest(Metric.PEAK_RSS, *one), "x")).findall(f".//{SVG}rect")[2].get("fill")
             for one in figures}  # fmt: skip
    assert len(fills) == len(Standing)


def test_what_the_svg_looks_like() -> None:
    assert_golden("badge.svg", render_svg(NEAR, "peak RSS"))


@pytest.mark.thorough
@given(st.text(max_size=200))
def test_any_label_is_text(label: str) -> None:
    root = ET.fromstring(render_svg(NEAR, label))
    assert {one.tag.removeprefix(SVG) for one in root.iter()} == {
        "svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "text",
    }  # fmt: skip
    assert not [name for one in root.iter() for name in one.attrib if name.startswith("on") or "href" in name]
    assert set(json.loads(render_shields(NEAR, label))) == {"schemaVersion", "label", "message", "color"}


def test_a_hostile_label_is_escaped() -> None:
    text = render_svg(NEAR, "\"><script>alert(1)</script>'\x1b[31m\u202e")
    assert "<script" not in text
    assert not {"\x1b", "\u202e"} & set(text)
