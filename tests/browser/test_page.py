"""The page in a real browser: it answers to mouse and keyboard, asks for nothing, and runs nothing of a report's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.common.exceptions import JavascriptException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from membudget.judge.measurement import Presence
from membudget.report.page.fit_page import render as render_fit
from membudget.report.page.page import render
from membudget.report.report import Report
from tests.fakes.fitted import fitted as fitted_one
from tests.fakes.fitted import pressed
from tests.fakes.fitted import report as fit_report
from tests.support.browser import complaints, prefer, requests, show
from tests.support.busy_report import busy_report
from tests.support.hostile_report import HOSTILE, hostile_report
from tests.unit.report.outcomes import fitted, profiled
from tests.unit.report.reports import REPORTS

pytestmark = pytest.mark.browser

_PATIENCE_S = 20


@pytest.fixture
def opened(browser: Chrome, tmp_path: Path) -> Callable[[Report], str]:
    """Opens a report's page in a light browser; its address."""

    def open_page(made: Report) -> str:
        prefer(browser, "light")
        browser.set_window_size(1200, 900)
        complaints(browser)
        requests(browser)
        return show(browser, render(made.judged()), tmp_path)

    return open_page


@pytest.fixture
def busy(browser: Chrome, opened: Callable[[Report], str]) -> Chrome:
    """The browser, with a usual report. Its second image is over budget, and open."""
    opened(busy_report())
    return browser


def one(parent: Chrome | WebElement, selector: str) -> WebElement:
    return parent.find_element(By.CSS_SELECTOR, selector)


def texts(parent: Chrome | WebElement, selector: str) -> list[str]:
    return [found.text for found in parent.find_elements(By.CSS_SELECTOR, selector)]


def image(browser: Chrome, name: str = "image-1") -> WebElement:
    """The section of an image, opened."""
    section = one(browser, f"#image-{name}")
    if section.get_attribute("open") is None:
        one(section, "summary").click()
    wait_for(browser, lambda: section.find_elements(By.CSS_SELECTOR, ".timeline canvas"))
    return section


def wait_for(browser: Chrome, condition: Callable[[], object]) -> None:
    WebDriverWait(browser, _PATIENCE_S).until(lambda _: condition())


def button(parent: WebElement, text: str) -> WebElement:
    return parent.find_element(By.XPATH, f".//button[normalize-space()='{text}']")


def chart(browser: Chrome, section: WebElement) -> tuple[WebElement, WebElement]:
    """The part of an image that draws its memory, in sight, and what of it takes the mouse."""
    timeline = one(section, ".timeline")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", timeline)
    return timeline, one(timeline, ".u-over")


def shown_seconds(timeline: WebElement) -> tuple[float, float]:
    return float(timeline.get_attribute("data-from") or "nan"), float(timeline.get_attribute("data-to") or "nan")


def the_curve(browser: Chrome, name: str) -> WebElement:
    """What of an image draws the limits that a fit tried, in sight."""
    section = one(image(browser, name), ".fitted")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", section)
    return section


def everything_pressed(browser: Chrome) -> None:
    """Open all that opens, and press all that can be pressed."""
    browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    are_built = "return [...document.querySelectorAll('.image .body')].every((one) => one.childNodes.length)"
    wait_for(browser, lambda: browser.execute_script(are_built))
    browser.execute_script("for (const one of [...document.querySelectorAll('button')]) one.click()")
    browser.execute_script("for (const one of [...document.querySelectorAll('.tile, .flame')]) one.focus()")


@pytest.mark.parametrize("make", [*REPORTS.values(), busy_report, hostile_report, fitted, profiled])
def test_nothing_is_asked_for_and_nothing_goes_wrong(
    browser: Chrome, opened: Callable[[Report], str], make: Callable[[], Report]
) -> None:
    address = opened(make())
    everything_pressed(browser)
    assert complaints(browser) == []
    assert [url for url in requests(browser) if url not in (address, "data:,")] == []
    assert one(browser, "h1").text.removeprefix("❌").removeprefix("✅").strip()


def test_a_hostile_report_is_text_and_nothing_else(browser: Chrome, opened: Callable[[Report], str]) -> None:
    opened(hostile_report())
    everything_pressed(browser)
    assert browser.execute_script("return window.harmed === undefined")
    assert browser.execute_script("return document.querySelectorAll('img, svg, iframe, style, script').length") == 4
    shown = one(browser, "body").text
    assert "<img src=x onerror=" in shown
    assert HOSTILE[0] in shown
    assert not {"\u202e", "\u2066", "\u200f", "\u2028", "\u2029"} & set(shown)


def test_the_policy_refuses_html_made_of_text_and_scripts_that_are_not_ours(busy: Chrome) -> None:
    with pytest.raises(JavascriptException, match="TrustedHTML"):
        busy.execute_script("document.body.innerHTML = '<b>bold</b>'")
    busy.execute_script(
        "const script = document.createElement('script');"
        "script.append('window.harmed = 1'); document.body.append(script)"
    )
    assert busy.execute_script("return window.harmed === undefined")
    assert len(complaints(busy)) >= 1, "the browser says what it refused: so an empty console means something"


def test_the_verdict_comes_first_then_the_rows_in_trouble(busy: Chrome) -> None:
    line = "2 of 5 images over budget; image-2 is OOM-killed at 56.0 MiB; "
    line += "image-1 image size 224.0 MiB, 77.0 MiB more than growth allows"
    assert one(busy, "header h1").text == f"❌{line}"
    assert busy.title == f"❌ membudget: {line}"
    first = one(busy, "main table")
    assert set(texts(first, "tbody td:last-child")) == {"❌ over budget", "💥 OOM-killed"}
    assert texts(busy, ".why p")[0].startswith("💥 OOM-killed → ")
    assert any(text.startswith("image-1: image size grew more than growth allows") for text in texts(busy, ".why li"))


def test_hovering_tells_values_phase_and_difference(busy: Chrome) -> None:
    timeline, over = chart(busy, image(busy))
    hover = one(timeline, ".hover")
    assert not hover.is_displayed()
    ActionChains(busy).move_to_element_with_offset(over, 100, 0).perform()
    wait_for(busy, hover.is_displayed)
    said = hover.text
    assert "steady" in said
    for word in ("base", "head", "delta", "MiB", "+"):
        assert word in said
    ActionChains(busy).move_to_element(one(busy, "h2")).perform()
    wait_for(busy, lambda: not hover.is_displayed())


def test_dragging_zooms_and_a_double_click_shows_all_again(busy: Chrome) -> None:
    timeline, over = chart(busy, image(busy))
    begin, end = shown_seconds(timeline)
    ActionChains(busy).move_to_element_with_offset(over, -200, 0).click_and_hold().move_by_offset(
        200, 0
    ).release().perform()
    wait_for(busy, lambda: shown_seconds(timeline)[1] < end)
    from_second, to_second = shown_seconds(timeline)
    assert begin < from_second < to_second < end
    assert to_second - from_second < 0.5 * (end - begin)
    ActionChains(busy).double_click(over).perform()
    wait_for(busy, lambda: shown_seconds(timeline) == (begin, end))


def test_the_keyboard_moves_zooms_and_is_answered_in_words(busy: Chrome) -> None:
    section = image(busy)
    timeline, _ = chart(busy, section)
    everything = shown_seconds(timeline)
    one(section, ".controls button.reset").send_keys(Keys.TAB)
    assert busy.switch_to.active_element == timeline, "the chart comes after its buttons"
    timeline.send_keys(Keys.ARROW_RIGHT)
    spoken = section.find_element(By.CSS_SELECTOR, ".spoken")
    wait_for(busy, lambda: "head" in (spoken.get_attribute("textContent") or ""))
    before = spoken.get_attribute("textContent")
    timeline.send_keys(Keys.ARROW_RIGHT)
    wait_for(busy, lambda: spoken.get_attribute("textContent") != before)
    timeline.send_keys("+")
    wait_for(busy, lambda: shown_seconds(timeline) != everything)
    timeline.send_keys("0")
    wait_for(busy, lambda: shown_seconds(timeline) == everything)


def test_a_table_sorts_both_ways_and_back(busy: Chrome) -> None:
    folded = busy.find_element(By.XPATH, "//details[summary[text()='All 50 figures']]")
    one(folded, "summary").click()
    column = "tbody td:nth-child(5)"
    as_reported = texts(folded, column)
    head = folded.find_element(By.XPATH, ".//th[button[text()='delta']]")
    one(head, "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    descending = texts(folded, column)
    assert descending[0].startswith("+84.0 MiB")
    assert descending != as_reported
    one(head, "button").send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "ascending"
    assert texts(folded, column)[-1].startswith("+84.0 MiB")
    one(head, "button").send_keys(Keys.SPACE)
    assert head.get_attribute("aria-sort") is None
    assert texts(folded, column) == as_reported


def test_it_is_dark_where_the_desktop_is_and_by_its_button(busy: Chrome) -> None:
    chart(busy, image(busy))
    drawn = "return document.querySelector('#image-image-1 canvas').toDataURL()"
    background = "return getComputedStyle(document.body).backgroundColor"
    light, picture = busy.execute_script(background), busy.execute_script(drawn)
    prefer(busy, "dark")
    wait_for(busy, lambda: busy.execute_script(background) != light)
    wait_for(busy, lambda: busy.execute_script(drawn) != picture)
    one(busy, "button.theme").click()
    assert busy.execute_script(background) == light
    assert one(busy, "button.theme").text == "☾ dark"


def test_another_trial_and_the_kinds_of_memory_can_be_chosen(busy: Chrome) -> None:
    section = image(busy)
    timeline, over = chart(busy, section)
    chosen = section.find_elements(By.CSS_SELECTOR, ".selection option")[0]
    chosen.click()
    assert "base, trial 1 of 10" in one(section, ".legend").text
    button(section, "kinds").click()
    legend = one(section, ".legend").text
    for kind in ("anonymous", "shared", "active cache, kernel", "inactive file cache"):
        assert kind in legend
    _, over = chart(busy, section)
    ActionChains(busy).move_to_element(over).perform()
    wait_for(busy, lambda: "all usage" in one(timeline, ".hover").text)


def test_an_oom_kill_is_marked_and_named(busy: Chrome) -> None:
    legend = one(image(busy, "image-2"), ".legend").text
    assert "✕ head: OOM-killed: python3" in legend


def test_lines_out_of_sight_are_told_and_can_be_brought_into_it(busy: Chrome) -> None:
    section = image(busy)
    assert "limit 256.0 MiB, above the picture" in one(section, ".legend").text
    button(section, "up to the limit").click()
    assert "above the picture" not in one(section, ".legend").text


def test_the_treemap_opens_with_the_mouse_and_the_keyboard(busy: Chrome) -> None:
    section = image(busy)
    surface = one(section, ".treemap")
    busy.execute_script("arguments[0].scrollIntoView({block: 'center'})", surface)
    assert texts(section, ".trail button") == ["/"]
    usr = next(tile for tile in surface.find_elements(By.CSS_SELECTOR, ".tile.nested") if tile.text.startswith("usr "))
    ActionChains(busy).move_to_element_with_offset(usr, 0, -usr.size["height"] // 2 + 8).click().perform()
    assert [text.lstrip("› ") for text in texts(section, ".trail button")] == ["/", "usr"]
    first = busy.switch_to.active_element
    assert (first.get_attribute("class") or "").startswith("tile"), "the focus stays in the picture"
    first.send_keys(Keys.ARROW_RIGHT)
    moved = busy.switch_to.active_element
    assert moved != first
    assert (moved.get_attribute("title") or "?") == one(section, ".told").text
    moved.send_keys(Keys.BACKSPACE)
    assert texts(section, ".trail button") == ["/"]
    button(section, "packages").click()
    assert "all packages" in one(section, ".told").text


def tones(section: WebElement) -> set[str]:
    classes = [tile.get_attribute("class") or "" for tile in section.find_elements(By.CSS_SELECTOR, ".tile")]
    return {name for of_tile in classes for name in of_tile.split()} - {"tile", "nested"}


def test_the_treemap_is_coloured_by_what_grew_and_not_without_a_base(
    browser: Chrome, opened: Callable[[Report], str]
) -> None:
    made = busy_report(images=2, trials=1)
    opened(made)
    assert tones(image(browser)) == {"grown", "rest", "same"}, "its files are what they were"
    assert tones(image(browser, "image-0")) == {"same", "rest"}
    grown = made.images[1]
    alone = replace(grown, presence=Presence.NEW, base=None, contents_diff=None)
    opened(made.model_copy(update={"images": (alone,)}))
    assert tones(image(browser)) == {"same", "rest"}


def test_an_address_can_name_an_image(browser: Chrome, opened: Callable[[Report], str]) -> None:
    address = opened(busy_report(images=4, trials=1))
    assert one(browser, "#image-image-3").get_attribute("open") is None
    browser.get(f"{address}#image-image-3")
    wait_for(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#image-image-3[open] canvas"))


def test_a_narrow_screen_scrolls_down_alone(browser: Chrome, busy: Chrome) -> None:
    metrics = {"width": 400, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        image(busy)
        assert busy.execute_script("return document.documentElement.scrollWidth <= 400")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_curve_of_a_fit_answers_to_mouse_and_keyboard(browser: Chrome, opened: Callable[[Report], str]) -> None:
    opened(fitted())
    section = the_curve(browser, "api")
    hover, over = one(section, ".hover"), one(section, ".u-over")
    assert not hover.is_displayed()
    ActionChains(browser).move_to_element(over).perform()
    wait_for(browser, hover.is_displayed)
    assert "passed" in hover.text
    assert "% of no limit" in hover.text
    surface = one(section, ".timeline")
    surface.send_keys(Keys.HOME)
    for _ in range(30):
        surface.send_keys(Keys.ARROW_LEFT)
    wait_for(browser, lambda: "OOM-killed" in hover.text)
    surface.send_keys(Keys.ARROW_RIGHT)
    wait_for(browser, lambda: "survives" in hover.text)
    assert "survives" in str(one(section, ".spoken").get_attribute("textContent"))
    assert complaints(browser) == []


def test_the_page_of_a_fit_shows_the_same_curve(browser: Chrome, tmp_path: Path) -> None:
    prefer(browser, "dark")
    browser.set_window_size(1200, 900)
    complaints(browser)
    show(browser, render_fit(fit_report(fitted_one("api", pressed))), tmp_path)
    section = the_curve(browser, "api")
    assert "limit 512.0 MiB, right of the picture" in one(section, ".legend").text
    everything_pressed(browser)
    assert complaints(browser) == []


def the_flames(browser: Chrome, name: str = "api") -> WebElement:
    """What of an image draws the code that holds memory, in sight."""
    section = one(image(browser, name), ".profile")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", section)
    return section


def flames_of(section: WebElement) -> dict[str, WebElement]:
    """The drawn calls, by what is said of them."""
    cells = section.find_elements(By.CSS_SELECTOR, ".flame")
    return {cell.get_attribute("title") or "?": cell for cell in cells}


def width_of(section: WebElement, function: str) -> float:
    return next((cell.rect["width"] for said, cell in flames_of(section).items() if f" {function}: " in said), 0)


def test_flames_are_as_wide_as_what_they_hold_and_coloured_by_growth(
    browser: Chrome, opened: Callable[[Report], str]
) -> None:
    opened(profiled())
    section = the_flames(browser)
    both = flames_of(section)
    index = next(said for said in both if "search.py:41 build_index: " in said)
    assert index.endswith("2.5 MiB → 43.7 MiB (+41.2 MiB)")
    assert "grown" in (both[index].get_attribute("class") or "")
    library = next(cell for said, cell in both.items() if said.endswith(", a library"))
    assert {"same", "library"} <= set((library.get_attribute("class") or "").split())
    button(section, "head").click()
    of_head = width_of(section, "build_index")
    button(section, "base").click()
    assert width_of(section, "build_index") < of_head / 2
    assert width_of(section, "raw_decode") > width_of(section, "build_index")


def test_flames_answer_to_mouse_and_keyboard(browser: Chrome, opened: Callable[[Report], str]) -> None:
    opened(profiled())
    section = the_flames(browser)
    told, trail = one(section, ".told"), ".trail button"
    cell = next(cell for said, cell in flames_of(section).items() if "load_books: " in said)
    ActionChains(browser).move_to_element(cell).perform()
    wait_for(browser, lambda: "load_books: " in told.text)
    cell.click()
    assert [text.rpartition(" ")[2] for text in texts(section, trail)] == ["code", "<module>", "load_books"]
    first = browser.switch_to.active_element
    assert first.rect["width"] == one(section, ".flames").rect["width"], "what is open is as wide as the picture"
    first.send_keys(Keys.ARROW_DOWN)
    assert "build_index: " in told.text
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert "raw_decode: " in told.text
    browser.switch_to.active_element.send_keys(Keys.ARROW_UP)
    assert "load_books: " in told.text
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert len(texts(section, trail)) == 4
    for _ in range(3):
        browser.switch_to.active_element.send_keys(Keys.BACKSPACE)
    assert texts(section, trail) == ["all code"]


def test_flames_without_a_base_have_one_view_and_no_colours_of_growth(
    browser: Chrome, opened: Callable[[Report], str]
) -> None:
    opened(profiled())
    section = the_flames(browser, "web")
    assert section.find_elements(By.CSS_SELECTOR, ".choice") == []
    assert section.find_elements(By.CSS_SELECTOR, ".grown, .shrunk") == []
    assert one(image(browser, "search"), ".body").find_elements(By.CSS_SELECTOR, ".profile") == []
