"""An HTML file that trusts nothing it shows: data, scripts and styles in one file, under a policy that names them.

The data is JSON in a block that no browser runs. Scripts show it as text. See docs/adr/0018-the-page.md.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from membudget.core.untrusted_text import Json, json_without_commands

CHARTS_VERSION = "1.6.32"
"""The version of uPlot (MIT). `make page-assets` downloads it from npm."""
CHARTS_SHA256 = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot-LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""The hashes of its files. A test compares them."""


@dataclass(frozen=True, slots=True)
class Document:
    """A kind of page: what shows its data."""

    scripts: tuple[str, ...]
    """The names of the scripts in order, because each uses the earlier ones."""
    styles: tuple[str, ...]
    instead: str
    """The command that prints the same, for browsers without scripts."""

    def page_of(self, data: str) -> str:
        """Return the page that shows `data`, as `as_json` made it."""
        charts, script, style = chart_script(), _joined(self.scripts), _styled(self.styles)
        allowed = {"script-src": (charts, script), "style-src": (style,)}
        sources = "; ".join(f"{name} {' '.join(map(_hash, texts))}" for name, texts in allowed.items())
        policy = (
            f"default-src 'none'; {sources}; img-src data:; base-uri 'none'; form-action 'none';"
            " require-trusted-types-for 'script'; trusted-types 'none'"
        )
        return Template(asset("page.html")).substitute(
            policy=policy, style=style, data=data, charts=charts, script=script, instead=self.instead
        )


def as_json(data: Json) -> str:
    """Return `data` as JSON that cannot end a script block, begin a comment, or command a workflow's runner."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return json_without_commands(text)


def asset(name: str) -> str:
    """Return the text of a file in the folder `assets`."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


@cache
def chart_script() -> str:
    """Return the charting library, with the notice that its licence requires."""
    notice = asset("uPlot-LICENSE").replace("*/", "* /")
    return f"/*\n{notice}*/\n{asset('uPlot.iife.min.js')}"


@cache
def _joined(scripts: tuple[str, ...]) -> str:
    """Return scripts as one, which adds nothing to the page's global scope."""
    parts = "\n".join(map(asset, scripts))
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


@cache
def _styled(styles: tuple[str, ...]) -> str:
    return "\n".join(map(asset, ("uPlot.min.css", *styles)))


def _hash(text: str) -> str:
    """Return the hash of an element's text as content security policies write it (CSP level 3, "hash-source")."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
