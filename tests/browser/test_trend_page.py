"""The trend page in a real browser: charts, mouse, keyboard, zoom, links, and a history that means harm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from membudget.core.quantities import MIB
from membudget.history.series import SeriesPoint
from membudget.report.page.trend_page import Trends, render
from tests.support.browser import complaints, prefer, requests, show
from tests.support.hostile_report import HOSTILE
from tests.support.trends import commits, hostile_trends, trends

pytestmark = pytest.mark.browser

_PATIENCE_S = 20


@pytest.fixture
def opened(browser: Chrome, tmp_path: Path) -> Callable[[Trends], str]:
    """Opens the page of a history in a light browser; its address."""

    def open_page(made: Trends) -> str:
        prefer(browser, "light")
        browser.set_window_size(1200, 900)
        complaints(browser)
        requests(browser)
        return show(browser, render(made), tmp_path)

    return open_page


@pytest.fixture
def chart(browser: Chrome, opened: Callable[[Trends], str]) -> WebElement:
    """The first chart of a usual history, drawn."""
    opened(trends(images=7, count=120))
    wait_for(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".timeline canvas"))
    return browser.find_element(By.CSS_SELECTOR, ".timeline")


def wait_for(browser: Chrome, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, _PATIENCE_S).until(lambda _: condition())


def one(parent: Chrome | WebElement, selector: str) -> WebElement:
    return parent.find_element(By.CSS_SELECTOR, selector)


def texts(parent: Chrome | WebElement, selector: str) -> list[str]:
    return [found.text for found in parent.find_elements(By.CSS_SELECTOR, selector)]


def range_of(chart: WebElement) -> tuple[float, float]:
    return float(chart.get_attribute("data-from") or "nan"), float(chart.get_attribute("data-to") or "nan")


def pixels(browser: Chrome, chart: WebElement, colour: str) -> int:
    """How many pixels of the chart have the colour with that name."""
    script = """
        const [chart, name] = arguments;
        const canvas = chart.querySelector("canvas");
        const probe = document.createElement("canvas").getContext("2d");
        probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
        probe.fillRect(0, 0, 1, 1);
        const wanted = probe.getImageData(0, 0, 1, 1).data;
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4) {
          if (data[at + 3] === 255 && [0, 1, 2].every((part) => data[at + part] === wanted[part])) count += 1;
        }
        return count;"""
    return int(browser.execute_script(script, chart, colour))


@pytest.mark.parametrize("make", [trends, hostile_trends, lambda: Trends("shop", commits(3), ())])
def test_nothing_is_asked_for_and_nothing_goes_wrong(
    browser: Chrome, opened: Callable[[Trends], str], make: Callable[[], Trends]
) -> None:
    address = opened(make())
    browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    wait_for(browser, lambda: browser.execute_script(
        "return [...document.querySelectorAll('.image .body')].every((one) => one.childNodes.length)"))  # fmt: skip
    browser.execute_script("for (const one of document.querySelectorAll('.trend details')) one.open = true")
    browser.execute_script("for (const one of document.querySelectorAll('button')) one.click()")
    assert complaints(browser) == []
    assert [url for url in requests(browser) if url not in (address, "data:,")] == []
    assert one(browser, "h1").text


def test_a_hostile_history_is_text_and_nothing_else(browser: Chrome, opened: Callable[[Trends], str]) -> None:
    opened(hostile_trends())
    browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    wait_for(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".timeline canvas")) == len(HOSTILE) + 1)
    assert browser.execute_script("return window.harmed === undefined")
    assert browser.execute_script("return document.querySelectorAll('img, svg, iframe, style, script').length") == 4
    assert browser.find_elements(By.TAG_NAME, "a") == []
    shown = one(browser, "body").text
    assert "<img src=x onerror=" in shown
    assert not {"\u202e", "\u2066", "\u200f", "\u2028", "\u2029"} & set(shown)


def test_values_budget_and_steps_are_drawn(browser: Chrome, chart: WebElement) -> None:
    wait_for(browser, lambda: pixels(browser, chart, "head"))
    found = {colour: pixels(browser, chart, colour) for colour in ("head", "budget", "fail")}
    assert found["head"] > 200
    assert found["budget"] > 0
    assert found["fail"] > 50, "a filled triangle and a hollow one"


def test_an_image_is_drawn_when_it_is_opened(browser: Chrome, chart: WebElement) -> None:
    second = browser.find_elements(By.CSS_SELECTOR, "details.image")[1]
    assert second.find_elements(By.CSS_SELECTOR, ".timeline") == []
    one(second, "summary").click()
    wait_for(browser, lambda: len(second.find_elements(By.CSS_SELECTOR, ".timeline canvas")) == 2)
    assert "peak RSS" in one(second, "summary").text


def test_hovering_tells_commit_date_value_spread_and_subject(browser: Chrome, chart: WebElement) -> None:
    over = one(chart, ".u-over")
    ActionChains(browser).move_to_element_with_offset(over, 100, 0).perform()
    hover = one(chart, ".hover")
    wait_for(browser, hover.is_displayed)
    shown = hover.text
    assert "MiB" in shown
    for word in ("value", "spread", "budget", "change", " · 2024-"):
        assert word in shown
    assert any(commit.subject in shown for commit in commits(6))


def test_a_change_is_told_within_one_kind_of_machine(browser: Chrome, opened: Callable[[Trends], str]) -> None:
    made = trends(images=1, count=9)
    series = made.series[1]
    points = tuple(
        SeriesPoint(one.commit, one.line.model_copy(
            update={"value": (90 if row % 2 else 40) * MIB + row * MIB, "samples": (), "machine": f"machine {row % 2}"}
        ))
        for row, one in enumerate(series.points)
    )  # fmt: skip
    opened(replace(made, series=[replace(series, points=points)], steps=()))
    wait_for(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".timeline canvas"))
    chart = one(browser, ".timeline")
    chart.send_keys(Keys.END)
    assert "change\n+2.0 MiB" in one(chart, ".hover").text.replace("change ", "change\n")
    assert texts(browser, ".legend span")[:2] == ["machine 0", "machine 1"]


def test_a_press_keeps_a_commit_with_its_link(browser: Chrome, chart: WebElement) -> None:
    kept = one(browser, ".trend .told")
    newest = kept.text
    ActionChains(browser).move_to_element_with_offset(one(chart, ".u-over"), -100, 0).click().perform()
    wait_for(browser, lambda: kept.text != newest)
    link = one(kept, "a")
    assert (link.get_attribute("href") or "").startswith(f"https://github.com/octo/shop/commit/{link.text}")
    assert link.get_attribute("rel") == "noreferrer noopener"


def test_the_keyboard_moves_zooms_and_keeps(browser: Chrome, chart: WebElement) -> None:
    whole = range_of(chart)
    chart.send_keys(Keys.END)
    spoken = one(browser, ".trend .spoken")
    assert "value" in (spoken.get_attribute("textContent") or "")
    last = spoken.get_attribute("textContent")
    chart.send_keys(Keys.ARROW_LEFT)
    wait_for(browser, lambda: spoken.get_attribute("textContent") != last)
    kept = one(browser, ".trend .told").text
    chart.send_keys(Keys.ENTER)
    wait_for(browser, lambda: one(browser, ".trend .told").text != kept)
    chart.send_keys("+")
    wait_for(browser, lambda: range_of(chart)[0] > whole[0])
    chart.send_keys("0")
    wait_for(browser, lambda: range_of(chart)[0] <= 0)


def test_dragging_zooms_and_a_double_click_shows_all_again(browser: Chrome, chart: WebElement) -> None:
    whole, over = range_of(chart), one(chart, ".u-over")
    drag = ActionChains(browser).move_to_element_with_offset(over, -100, 0).click_and_hold()
    drag.move_by_offset(200, 0).release().perform()
    wait_for(browser, lambda: range_of(chart)[1] - range_of(chart)[0] < 0.5 * (whole[1] - whole[0]))
    ActionChains(browser).move_to_element(over).double_click().perform()
    wait_for(browser, lambda: range_of(chart)[1] - range_of(chart)[0] > 0.9 * (whole[1] - whole[0]))


def test_ranges_and_heights_apply_to_every_chart(browser: Chrome, chart: WebElement) -> None:
    one(browser, "button[data-value='30']").click()
    charts = browser.find_elements(By.CSS_SELECTOR, ".timeline")
    wait_for(browser, lambda: all(range_of(each) == (89.5, 119.5) for each in charts))
    one(browser, "button[data-value='release']").click()
    wait_for(browser, lambda: all(range_of(each)[0] == 89.5 for each in charts))
    before = pixels(browser, chart, "budget")
    one(browser, "button[data-value='values']").click()
    wait_for(browser, lambda: pixels(browser, chart, "budget") < before)


def test_steps_and_releases_are_also_text(browser: Chrome, chart: WebElement) -> None:
    steps = texts(browser, ".trend details li")
    assert steps[0].startswith("confirmed: +9.0 MiB (+18.4%) to 58.0 MiB at ")
    assert steps[1].startswith("suspected: +2.0 MiB (+3.2%) to 64.0 MiB at ")
    browser.execute_script("for (const one of document.querySelectorAll('main > details.folded')) one.open = true")
    assert [text.split()[0] for text in texts(browser, "main > details.folded li")] == ["v1.2", "v1.1", "v1.0"]


def test_the_values_are_also_a_table(browser: Chrome, chart: WebElement) -> None:
    folded = browser.find_elements(By.CSS_SELECTOR, ".trend > details.folded")[1]
    assert folded.find_elements(By.TAG_NAME, "table") == []
    one(folded, "summary").click()
    wait_for(browser, lambda: len(folded.find_elements(By.CSS_SELECTOR, "tbody tr")) == 120)


def test_images_are_found_by_name(browser: Chrome, chart: WebElement) -> None:
    one(browser, "input[type=search]").send_keys("WORK")
    wait_for(browser, lambda: texts(browser, "details.image:not([hidden]) h3") == ["worker"])


def test_without_an_address_of_commits_there_is_no_link(browser: Chrome, opened: Callable[[Trends], str]) -> None:
    opened(replace(trends(), commit_pages=None))
    wait_for(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".timeline canvas"))
    assert browser.find_elements(By.TAG_NAME, "a") == []
    assert len(one(browser, ".trend .told code").text) == 10


def test_it_follows_the_desktop_into_the_dark(browser: Chrome, chart: WebElement) -> None:
    light = pixels(browser, chart, "head")
    assert light
    prefer(browser, "dark")
    wait_for(browser, lambda: one(browser, "html").get_attribute("data-theme") == "dark")
    wait_for(browser, lambda: pixels(browser, chart, "head") >= light // 2)


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(browser: Chrome, opened: Callable[[Trends], str], width: int) -> None:
    opened(trends())
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        wait_for(browser, lambda: browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"))
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
