"""Photographs the report's page: its top, light; one image in detail, dark; the code that holds its memory. Or a fit.

Or the page of a history, with the figures of its tests.

python tools/page_picture.py REPORT.html IMAGE TOP.png DETAIL.png
python tools/page_picture.py flames REPORT.html IMAGE PICTURE.png
python tools/page_picture.py FIT.json IMAGE PICTURE.png
python tools/page_picture.py trend PICTURE.png
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

import browser
import debian
import picture
from membudget.publish.fit_file import read_fit
from membudget.report.page import fit_page, trend_page
from tests.support.trends import trends

_TOP = (1120, 1560)
_DETAIL = (1000, 3000)
"""Higher than any image's section: what is photographed is the section."""
_FIT = (928, 3000)
_TREND = (1000, 700)
_PATIENCE_S = 20
_LARGEST_BYTES = 350_000
"""Of a photograph, which has more colours than a comment."""


def main() -> int:
    """Take what is asked for."""
    match sys.argv[1:]:
        case ["flames", page, name, shown]:
            made = [Path(shown)]
            with _browser() as chrome:
                _show(chrome, Path(page), f"#image-{name}", _FIT, "light")
                chrome.find_element(By.CSS_SELECTOR, f"#image-{name} .profile").screenshot(shown)
        case ["trend", shown]:
            made = [Path(shown)]
            with _browser() as chrome, tempfile.TemporaryDirectory() as folder:
                page_of_trend = Path(folder, "trend.html")
                page_of_trend.write_text(trend_page.render(trends(images=5, count=400)))
                _show(chrome, page_of_trend, "", _TREND, "light")
                chrome.save_screenshot(shown)
        case [page, name, top, detail]:
            made = [Path(top), Path(detail)]
            with _browser() as chrome:
                _show(chrome, Path(page), "", _TOP, "light")
                chrome.save_screenshot(top)
                _show(chrome, Path(page), f"#image-{name}", _DETAIL, "dark")
                chrome.find_element(By.ID, f"image-{name}").screenshot(detail)
        case [fit, name, shown]:
            made = [Path(shown)]
            with _browser() as chrome, tempfile.TemporaryDirectory() as folder:
                page_of_fit = Path(folder, "fit.html")
                page_of_fit.write_text(fit_page.render(read_fit(Path(fit))))
                _show(chrome, page_of_fit, f"#image-{name}", _FIT, "light")
                chrome.find_element(By.ID, f"image-{name}").screenshot(shown)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    for one in made:
        picture.tell(one, _LARGEST_BYTES)
    return 0


@contextmanager
def _browser() -> Iterator[Chrome]:
    picture.provide_browser()  # the fonts
    browser.provide()
    with tempfile.TemporaryDirectory() as profile:
        options = ChromeOptions()
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
        ):
            options.add_argument(argument)
        options.add_argument(f"--user-data-dir={profile}")
        chrome = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            yield chrome
        finally:
            chrome.quit()


def _show(chrome: Chrome, page: Path, fragment: str, window: tuple[int, int], scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": window[0], "height": window[1], "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get("about:blank")
    chrome.get(page.resolve().as_uri() + fragment)
    section = f"{fragment or 'details.image[open]'} canvas"
    debian.say(f"photographing {page.name}{fragment}, {scheme}")
    WebDriverWait(chrome, _PATIENCE_S).until(lambda shown: shown.find_elements(By.CSS_SELECTOR, section))


if __name__ == "__main__":
    sys.exit(main())
