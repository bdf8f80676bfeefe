"""Photographs the report's page for the README: its top, light; and one image in detail, dark.

python tools/page_picture.py REPORT.html IMAGE TOP.png DETAIL.png
"""

import shutil
import sys
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

import browser
import debian
import picture

_TOP = (1120, 1560)
_DETAIL = (1000, 3000)
"""Higher than any image's section: what is photographed is the section."""
_PATIENCE_S = 20
_LARGEST_BYTES = 320_000
"""Of a photograph, which has more colours than a comment."""


def main() -> int:
    """Take both."""
    if len(sys.argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    page, name, top, detail = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
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
            _show(chrome, page, "", _TOP, "light")
            chrome.save_screenshot(str(top))
            _show(chrome, page, f"#image-{name}", _DETAIL, "dark")
            chrome.find_element(By.ID, f"image-{name}").screenshot(str(detail))
        finally:
            chrome.quit()
    for made in (top, detail):
        picture.tell(made, _LARGEST_BYTES)
    return 0


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
