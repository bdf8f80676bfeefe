"""Draws what membudget shows, for the README: comments as GitHub shows them, and the table in a terminal.

python tools/picture.py outcomes FOLDER               every outcome, from the golden files
python tools/picture.py comment COMMENT.md PICTURE.png   a comment on a pull request
python tools/picture.py terminal REPORT.json PICTURE.png what `membudget check` prints
"""

import io
import re
import struct
import sys
from pathlib import Path

from rich.console import Console

import photograph
from github_page import Theme, charts_drawn, comment_page
from membudget.publish.report_file import read_report
from membudget.report.formats import terminal
from membudget.report.formats.terminal import Detail
from photograph import Window

_GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
_OUTCOMES = (
    "over-budget", "oom-killed", "workload-failed", "build-failed", "no-base", "inconclusive", "unchanged",
    "near-its-budget", "growing", "within-budget", "guarded", "deployed",
)  # fmt: skip
_CONVERSATION = Window(928, 1.2)
"""What a conversation has beside its sidebar, in a window of 1280 pixels."""
_WIDE = {"guarded": Window(1090, 1.1), "deployed": Window(1000, 1.15)}
"""What has a table that is wider than this. GitHub lets readers scroll it, and a picture cannot."""
_PHONE = Window(390, 1.5)
_TERMINAL = Window(1066, 1.05)
_TERMINAL_COLUMNS = 160
_LARGEST_OUTCOME_BYTES, _LARGEST_BYTES = 70_000, 130_000

_TERMINAL_PAGE = """<!doctype html>
<meta charset="utf-8">
<style>body {{ margin: 0; }} svg {{ display: block; width: 100%; }}</style>
{content}
"""


def main() -> int:
    """Draw what is asked for."""
    match sys.argv[1:]:
        case ["outcomes", folder]:
            provide_browser()
            _draw_outcomes(Path(folder))
        case ["comment", source, picture]:
            provide_browser()
            _draw(comment_page(Path(source).read_text()), _CONVERSATION, Path(picture), _LARGEST_BYTES)
        case ["terminal", source, picture]:
            provide_browser()
            _draw(terminal_page(Path(source)), _TERMINAL, Path(picture), _LARGEST_BYTES)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _draw_outcomes(folder: Path) -> None:
    """Each in the light; the one with most to see also in the dark, on a phone, and its charts unfolded."""
    for name in _OUTCOMES:
        window = _WIDE.get(name, _CONVERSATION)
        _draw(comment_page(_golden(name)), window, folder / f"{name}.png", _LARGEST_OUTCOME_BYTES)
    first = _golden("over-budget")
    _draw(comment_page(first, Theme.DARK), _CONVERSATION, folder / "over-budget-dark.png", _LARGEST_OUTCOME_BYTES)
    _draw(comment_page(first), _PHONE, folder / "over-budget-phone.png", _LARGEST_OUTCOME_BYTES)
    _draw(
        comment_page(_golden_file("history.md"), opened=True),
        _CONVERSATION,
        folder / "history.png",
        _LARGEST_OUTCOME_BYTES,
    )
    charts = _section(first, "Memory over time")
    for theme, name in ((Theme.LIGHT, "charts"), (Theme.DARK, "charts-dark")):
        page = comment_page(charts, theme, opened=True)
        drawn = _draw(page, _CONVERSATION, folder / f"{name}.png", _LARGEST_OUTCOME_BYTES)
        if charts_drawn(drawn) != charts.count("```mermaid"):
            raise SystemExit("Mermaid did not draw every chart")


def _golden(name: str) -> str:
    return _golden_file(f"comment-{name}.md")


def _golden_file(name: str) -> str:
    return (_GOLDEN / name).read_text()


def _section(markdown: str, title: str) -> str:
    """One folded part of a comment."""
    found = re.search(rf"<details><summary>{title}.*?</details>", markdown, re.DOTALL)
    if found is None:
        raise SystemExit(f"the comment has no part {title!r}")
    return found[0]


def terminal_page(report_file: Path) -> str:
    """What `membudget check` prints, as a page."""
    report = read_report(report_file)
    console = Console(record=True, width=_TERMINAL_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(terminal.render(report.judged(), Detail.SHORT))
    console.print()  # the picture cuts its last line's descenders off
    return _TERMINAL_PAGE.format(content=console.export_svg(title="membudget check"))


def _draw(page: str, window: Window, picture: Path, largest: int) -> str:
    """Save a page as a picture; what it became, as HTML."""
    drawn = photograph.take(page, window, picture)
    tell(picture, largest)
    return drawn


def tell(picture: Path, largest: int = _LARGEST_BYTES) -> None:
    """Say how large a picture is; too large is an error."""
    width, height = _pixels(picture)
    print(f"{picture}: {width} x {height} pixels, {picture.stat().st_size // 1000} kB")
    if picture.stat().st_size > largest:
        raise SystemExit(f"that is more than the {largest // 1000} kB that a page should load for one picture")


def provide_browser() -> None:
    """What pictures are drawn with."""
    photograph.provide()


def _pixels(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG file, from its header."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


if __name__ == "__main__":
    sys.exit(main())
