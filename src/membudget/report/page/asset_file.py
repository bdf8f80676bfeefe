"""The files that a page is made of: our style and scripts, and the charting library as npm has it."""

from functools import cache
from importlib.resources import files

CHARTS_VERSION = "1.6.32"
"""Of uPlot (MIT). `make page-assets` fetches it anew from npm."""
CHARTS_SHA256 = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot-LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""What each of its files has to be; a test compares."""

_SCRIPTS = (
    "dom.js",
    "figures.js",
    "table.js",
    "timeline_drawing.js",
    "timeline.js",
    "scatter.js",
    "treemap.js",
    "image.js",
    "overview.js",
)
"""In this order: each uses what stands before it."""


def asset(name: str) -> str:
    """The text of one file."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def chart_script() -> str:
    """The charting library, with the notice that its licence asks for."""
    notice = asset("uPlot-LICENSE").replace("*/", "* /")
    return f"/*\n{notice}*/\n{asset('uPlot.iife.min.js')}"


@cache
def page_script() -> str:
    """Our own scripts, as one that leaves nothing behind in the page's global scope."""
    parts = "\n".join(asset(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


@cache
def style() -> str:
    """All style sheets."""
    return f"{asset('uPlot.min.css')}\n{asset('page.css')}"
