"""What the page is made of; tests/browser looks at what a browser makes of it."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from membudget.budgets.entries import MOST_IMAGES
from membudget.report.page.document import CHARTS_SHA256, CHARTS_VERSION, asset
from membudget.report.page.page import LARGEST_PAGE_BYTES, render
from membudget.report.report import Report
from tests.support.builders import image, report, side, trial
from tests.support.busy_report import busy_report
from tests.support.golden import assert_golden
from tests.support.hostile_report import HOSTILE, hostile_report
from tests.unit.report.reports import REPORTS, everything, said_by_others


class Elements(HTMLParser):
    """The page's elements: name, attributes, and the text inside."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.is_open = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))
        self.is_open = True

    def handle_endtag(self, tag: str) -> None:
        self.is_open = False

    def handle_data(self, data: str) -> None:
        if self.found and self.is_open:
            tag, attributes, text = self.found[-1]
            self.found[-1] = (tag, attributes, text + data)

    def named(self, name: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, text) for tag, attributes, text in self.found if tag == name]


HARMLESS = ["html", *["meta"] * 5, "title", "link", "style", "body", "noscript", "code", "main", *["script"] * 3]


def page(made: Report) -> str:
    return render(made.judged())


def data(text: str) -> dict[str, Any]:
    """What the page's scripts read."""
    (block,) = [content for attributes, content in Elements(text).named("script") if attributes.get("id") == "data"]
    read: dict[str, Any] = json.loads(block)
    return read


@pytest.mark.thorough
def test_a_usual_report_makes_a_page_of_half_a_megabyte_at_most() -> None:
    text = page(busy_report(images=5, trials=10))
    assert len(text.encode()) <= LARGEST_PAGE_BYTES == 500_000
    shown = data(text)
    assert len(shown["images"]) == 5
    trials = [one for image in shown["images"] for one in image["sides"]["head"]["trials"]]
    assert len(trials) == 50
    assert min(len(one["columns"][0]) for one in trials) >= 40
    assert max(len(one["columns"][0]) for one in trials) >= 200


@pytest.mark.thorough
def test_what_is_left_out_is_said() -> None:
    said = [part for parts in data(page(busy_report(images=30, trials=1, samples=900)))["cuts"] for part in parts]
    assert "the report has up to 900" in said[0]
    assert re.fullmatch(r"\d+ of 30 images are shown in detail, those in trouble first.", said[1])
    assert said[2].startswith("Folders, packages, layers and files: the ")
    assert data(page(everything()))["cuts"] == []


@pytest.mark.thorough
def test_however_large_a_report_the_page_is_bounded() -> None:
    many = report(
        *(image(f"image-{number}", base=side(trial(40)), head=side(trial(400))) for number in range(MOST_IMAGES))
    )
    text = page(many)
    assert len(text.encode()) <= LARGEST_PAGE_BYTES
    assert data(text)["imageCount"] == MOST_IMAGES
    assert len(data(text)["rows"]) < data(text)["rowCount"]


@pytest.mark.thorough
def test_it_is_the_same_page_each_time() -> None:
    assert page(everything()) == page(everything())


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["everything", "guarded"])
def test_the_overview_says_what_the_comment_says(name: str) -> None:
    shown = data(page(REPORTS[name]()))
    lines = []
    for key, value in shown.items():
        if key not in ("images", "headings"):
            parts = [f"  {json.dumps(part, ensure_ascii=False)}" for part in value] if isinstance(value, list) else None
            lines += [f"{key}:", *parts] if parts else [f"{key}: {json.dumps(value, ensure_ascii=False)}"]
    assert_golden(f"page-{name}.txt", "\n".join(lines) + "\n")


@pytest.mark.thorough
def test_scripts_and_styles_are_those_that_the_policy_names_by_hash() -> None:
    elements = Elements(page(everything()))
    (policy,) = [
        attributes["content"] or ""
        for attributes, _ in elements.named("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    directives = {name: rest for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}
    assert directives["default-src"] == "'none'"
    scripts = [text for attributes, text in elements.named("script") if "type" not in attributes]
    styles = [text for _, text in elements.named("style")]
    for directive, texts in (("script-src", scripts), ("style-src", styles)):
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        assert directives[directive] == " ".join(f"'sha256-{digest}'" for digest in digests)
    assert {"unsafe-inline", "unsafe-eval", "http"} & set(re.findall(r"[\w-]+", policy)) == set()


@pytest.mark.thorough
def test_it_names_no_other_place() -> None:
    elements = Elements(page(everything()))
    links = [
        value for _, attributes, _ in elements.found for name, value in attributes.items() if name in ("src", "href")
    ]
    assert links == ["data:,"]
    assert "url(" not in asset("page.css")
    assert "@import" not in asset("page.css")


@pytest.mark.thorough
@settings(max_examples=40)
@example(list(HOSTILE))
@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=40), min_size=5, max_size=5))
def test_whatever_others_say_the_page_has_the_same_elements(texts: list[str]) -> None:
    text = page(said_by_others(texts))
    assert [tag for tag, _, _ in Elements(text).found] == HARMLESS
    block = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert block is not None
    assert not re.search(r"[<>&\u2028\u2029]|##\[", block[1])


@pytest.mark.thorough
def test_what_others_said_is_text_without_directions() -> None:
    def strings(part: Any) -> list[str]:
        if isinstance(part, dict):
            part = [*part, *part.values()]
        return (
            [part]
            if isinstance(part, str)
            else [text for one in part for text in strings(one)]
            if isinstance(part, list)
            else []
        )

    found = strings(data(page(hostile_report())))
    assert any("</script><script>" in text for text in found), "it is still there to read"
    assert not {"\u202e", "\u2066", "\u200f", "\u2028", "\u2029", "\x00"} & set("".join(found))


@pytest.mark.thorough
def test_a_trial_without_metrics_of_a_forged_report_is_no_crash() -> None:
    made = everything()
    first = made.images[0]
    assert first.head is not None
    bare = replace(first.head, trials=tuple(replace(one, metrics={}, snapshot=None) for one in first.head.trials))
    forged = made.model_copy(update={"images": (replace(first, head=bare), *made.images[1:])})
    assert data(page(forged))["images"][0]["sides"]["head"]["trials"][0]["peak"] is None


def test_the_charting_library_is_the_pinned_one() -> None:
    for name, expected in CHARTS_SHA256.items():
        assert hashlib.sha256(asset(name).encode()).hexdigest() == expected, "run make page-assets"
    assert f"(v{CHARTS_VERSION})" in asset("uPlot.iife.min.js")


@pytest.mark.thorough
def test_its_licence_is_in_the_page() -> None:
    assert "Copyright (c) 2022 Leon Sorokin" in page(everything())
