"""How long a browser takes to show the trend page of 50 images and 2,000 commits, and to open one image.

Run with `make bench-trend-page`. IMAGES=10 COMMITS=500 ROUNDS=3 change the numbers. It starts Chromium, not an engine.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from membudget.report.page.trend_page import render
from tests.support.browser import running_browser
from tests.support.trends import trends

_PATIENCE_S = 60
_SHOWN = """
const [first] = document.querySelectorAll("details.image[open] canvas");
return first && document.querySelectorAll("details.image").length ? performance.now() : null;
"""
_PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
"""The page is made and its first chart drawn by one script, before the browser first paints."""
_AFTER_FRAMES = """
const done = arguments[0];
requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
"""
"""Two frames later, what was drawn is on the screen."""


def main() -> int:
    """Make the page, and open it several times."""
    images, commits = int(os.environ.get("IMAGES", "50")), int(os.environ.get("COMMITS", "2000"))
    rounds = int(os.environ.get("ROUNDS", "7"))
    made = trends(images, commits)
    begun = time.process_time()
    page = render(made)
    rendered_s = time.process_time() - begun
    print(f"{images} images × {commits} commits, two metrics each:")
    print(f"the page has {len(page.encode()) / 1e6:.1f} MB, made in {rendered_s:.1f} s of CPU time")
    with tempfile.TemporaryDirectory() as folder, running_browser() as browser:
        file = Path(folder, "trend.html")
        file.write_text(page)
        shown, opened = zip(*(_round(browser, file) for _ in range(rounds)), strict=True)
    print(f"shown after {_words(shown)}, load {os.getloadavg()[0]:.1f}")
    print(f"another image opened in {_words(opened)}")
    return 0


def _round(browser: Chrome, file: Path) -> tuple[float, float]:
    """Return the milliseconds from the start of loading to the first chart, and from a press to the next one."""
    browser.get("about:blank")
    browser.get(file.as_uri())
    deadline = time.monotonic() + _PATIENCE_S
    while browser.execute_script(_SHOWN) is None:
        if time.monotonic() > deadline:
            raise SystemExit("the page shows nothing")
    while (painted := browser.execute_script(_PAINTED)) is None:
        pass
    second = browser.find_elements(By.CSS_SELECTOR, "details.image > summary")[1]
    begun = float(browser.execute_script("return performance.now()"))
    second.click()
    return float(painted), float(browser.execute_async_script(_AFTER_FRAMES)) - begun


def _words(times_ms: tuple[float, ...]) -> str:
    return f"{statistics.median(times_ms):.0f} ms (median of {len(times_ms)}; at most {max(times_ms):.0f} ms)"


if __name__ == "__main__":
    sys.exit(main())
