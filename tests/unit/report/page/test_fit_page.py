"""The report of a fit as a page."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from membudget.advise.fit import ImageFit
from membudget.core.quantities import MIB
from membudget.judge.fitted import Stop
from membudget.publish.fit_file import read_fit
from membudget.report.page.document import asset
from membudget.report.page.fit_page import render
from membudget.report.page.page import LARGEST_PAGE_BYTES
from tests.fakes.fitted import everything, fitted, pressed, report, stopped
from tests.support.hostile_report import HOSTILE


def data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return cast("dict[str, Any]", json.loads(found[1]))


def test_one_image_is_told_in_its_own_words() -> None:
    made = data(render(report(fitted("api", pressed))))
    assert made["line"].startswith("api survives at 38.5 MiB: 10 of 10 trials passed")
    assert made["verdict"] == "pass"
    (image,) = made["images"]
    assert image["limit"] == 512 * MIB
    assert image["fitted"]["answers"][-1][0].startswith("Next: set limit")
    assert len(image["fitted"]["points"]) > 5


def test_several_images_are_told_by_their_sum() -> None:
    made = data(render(report(fitted("api", pressed), fitted("web", pressed))))
    assert made["line"].startswith("Sum of 2 images: 77.0 MiB survive")


def test_an_image_without_an_answer_comes_last_and_makes_it_inconclusive() -> None:
    made = data(render(report(stopped("huge", Stop.NEVER_ENOUGH), fitted("api", pressed))))
    assert made["verdict"] == "inconclusive"
    assert made["line"] == "1 of 2 images have a limit that works"
    assert [image["name"] for image in made["images"]] == ["api", "huge"]
    assert made["images"][1]["status"] == "no answer"


def test_every_result_has_a_section() -> None:
    made = data(render(report(*everything())))
    assert len(made["images"]) == made["imageCount"] == len(everything())
    assert made["cuts"] == []


def test_what_the_page_reads_is_there() -> None:
    made = data(render(report(fitted("api", pressed))))
    used = set(re.findall(r"\bdata\.(\w+)", asset("overview.js"))) | {"head", "base"}
    assert used <= made.keys()
    of_images = set(re.findall(r"\bimage\.(\w+)", "".join(map(asset, ("image.js", "fitted.js", "scatter.js")))))
    assert of_images <= made["images"][0].keys()


def test_however_many_images_the_page_is_bounded() -> None:
    one = fitted("api", pressed)
    images = [replace(one, name=f"image-{number}") for number in range(12)]
    largest = len(render(report(one)).encode()) + 10_000
    assert largest < LARGEST_PAGE_BYTES
    page = render(report(*images), largest)
    assert len(page.encode()) <= largest
    made = data(page)
    assert 0 < len(made["images"]) < 12
    assert made["cuts"] == [[f"{len(made['images'])} of 12 images are shown."]]


def test_what_others_said_is_quoted() -> None:
    hostile = [ImageFit(text, None, fault=text) for text in HOSTILE]
    page = render(report(*hostile))
    assert page.count("</script") == 3
    assert "\u202e" not in page


def test_the_picture_in_the_readme_is_drawn_from_what_fit_reported() -> None:
    made = data(render(read_fit(Path(__file__).parents[4] / "docs/pictures/fit.json")))
    assert made["line"].startswith("report survives at")
