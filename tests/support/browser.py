"""A headless Chromium, driven by selenium, which tells all that a page asked for and complained of."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.support.missing import skip_for_want_of

_PROGRAMS = ("chromium", "chromedriver")


def require_programs() -> list[str]:
    """Chromium and its driver; skips the test where they are missing. `make test` installs them on Debian."""
    found = [shutil.which(program) for program in _PROGRAMS]
    paths = [path for path in found if path is not None]
    if len(paths) < len(_PROGRAMS):
        skip_for_want_of(
            "no chromium and chromedriver here (Debian's packages chromium and chromium-driver); make test brings them"
        )
    return paths


@contextmanager
def running_browser() -> Iterator[Chrome]:
    """A browser with a window of 1200 by 900 pixels and a light desktop."""
    chromium, driver = require_programs()
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",  # it refuses to run as root with one
        "--disable-gpu",
        "--disable-dev-shm-usage",  # containers have a small one
        "--window-size=1200,900",
        "--disable-background-networking",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def prefer(browser: Chrome, scheme: str) -> None:
    """Make the desktop dark or light."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def complaints(browser: Chrome) -> list[Any]:
    """What the console said since this was last asked."""
    return list(browser.get_log("browser"))  # type: ignore[no-untyped-call]


def requests(browser: Chrome) -> list[str]:
    """What was asked for since this was last asked, favourite icons and all, whatever became of it."""
    log = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    return [entry["params"]["request"]["url"] for entry in log if entry["method"] == "Network.requestWillBeSent"]


def show(browser: Chrome, page: str, folder: Path) -> str:
    """Open a page as a file, as people open an artifact. Its address."""
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    browser.get(file.as_uri())
    return file.as_uri()
