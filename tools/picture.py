"""Draws what membudget shows, for the README: the comment as GitHub shows it, or the table in a terminal.

    python tools/picture.py COMMENT.md PICTURE.png     a comment on a pull request
    python tools/picture.py REPORT.json PICTURE.png    what `membudget check` prints

GitHub's own Markdown parser (cmarkgfm) and style sheet (github-markdown-css, from npm), photographed in Chromium.
"""

import io
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options
from rich.console import Console

import debian
import dev_cache
from membudget.publishing.report_file import read_report
from membudget.report import terminal

_STYLE_SHEET = "github-markdown-css"
_STYLE_SHEET_VERSION = "5.9.0"
_FONTS = {  # family: the Debian package that has it
    "Noto Sans": "fonts-noto-core",
    "Noto Color Emoji": "fonts-noto-color-emoji",
    "Liberation Mono": "fonts-liberation",
    "Fira Code": "fonts-firacode",  # what rich sets its pictures in
}
_COMMENT_WIDTH = 928  # what a conversation has beside its sidebar, in a window of 1280 pixels
_COMMENT_SCALE = 1.4  # pixels of the picture for one of the page
_TERMINAL_WIDTH = 1066
_TERMINAL_SCALE = 1.05
_TERMINAL_COLUMNS = 160
_LARGEST_BYTES = 300_000
_BROWSER_S = 60

_COMMENT_PAGE = """<!doctype html>
<meta charset="utf-8">
<style>{style_sheet}</style>
<style>
  body {{ margin: 0; background: #fff; }}
  .conversation {{ display: flex; gap: 16px; padding: 16px; font-family: "Noto Sans", sans-serif; font-size: 14px; }}
  .avatar {{ width: 40px; height: 40px; border-radius: 6px; background: #24292f; color: #fff; flex: none;
             display: flex; align-items: center; justify-content: center; font: 20px "Liberation Mono", monospace; }}
  .comment {{ flex: auto; min-width: 0; border: 1px solid #d1d9e0; border-radius: 6px; }}
  .header {{ padding: 8px 16px; background: #f6f8fa; border-bottom: 1px solid #d1d9e0; border-radius: 6px 6px 0 0;
             color: #59636e; }}
  .header b {{ color: #1f2328; font-weight: 600; }}
  .label {{ border: 1px solid #d1d9e0; border-radius: 2em; padding: 0 7px; margin: 0 4px; font-size: 12px; }}
  .markdown-body {{ padding: 16px; font-family: "Noto Sans", "Noto Color Emoji", sans-serif; font-size: 14px; }}
  .markdown-body code {{ font-family: "Liberation Mono", monospace; }}
</style>
<div class="conversation">
  <div class="avatar">&gt;_</div>
  <div class="comment">
    <div class="header"><b>github-actions</b><span class="label">bot</span>commented 2 minutes ago</div>
    <div class="markdown-body">{content}</div>
  </div>
</div>
"""
_TERMINAL_PAGE = """<!doctype html>
<meta charset="utf-8">
<style>body {{ margin: 0; }} svg {{ display: block; width: 100%; }}</style>
{content}
"""
_TELL_HEIGHT = "<script>document.title = Math.ceil(document.body.getBoundingClientRect().height)</script>"


def main() -> int:
    """Draw one picture."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    source, picture = Path(sys.argv[1]), Path(sys.argv[2])
    provide_browser()
    if source.suffix == ".json":
        photograph(terminal_page(source), _TERMINAL_WIDTH, _TERMINAL_SCALE, picture)
    else:
        photograph(comment_page(source.read_text()), _COMMENT_WIDTH, _COMMENT_SCALE, picture)
    tell(picture)
    return 0


def tell(picture: Path) -> None:
    """Say how large a picture is; too large is an error."""
    width, height = _pixels(picture)
    print(f"{picture}: {width} x {height} pixels, {picture.stat().st_size // 1000} kB")
    if picture.stat().st_size > _LARGEST_BYTES:
        raise SystemExit(f"that is more than the {_LARGEST_BYTES // 1000} kB a README should load")


def comment_page(markdown: str) -> str:
    """A comment, as a page. Its HTML is let through: <details> is part of it, and GitHub's sanitizer lets it pass."""
    content = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    return _COMMENT_PAGE.format(style_sheet=_style_sheet(), content=content)


def terminal_page(report_file: Path) -> str:
    """What `membudget check` prints, as a page."""
    report = read_report(report_file)
    console = Console(record=True, width=_TERMINAL_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(terminal.render(report, report.judged()))
    console.print()  # the picture cuts its last line's descenders off
    return _TERMINAL_PAGE.format(content=console.export_svg(title="membudget check"))


def photograph(page: str, width: int, scale: float, picture: Path) -> None:
    """Save a page as a picture that is as tall as its content."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(page + _TELL_HEIGHT)
        scaled = f"--force-device-scale-factor={scale}"
        drawn = _browse(folder, file, (width, 1000), scaled, "--dump-dom")
        title = re.search(r"<title>(\d+)</title>", drawn)
        if title is None:
            raise SystemExit(f"chromium does not tell the page's height:\n{drawn[-2000:]}")
        shot = Path(folder, "shot.png")
        _browse(folder, file, (width, int(title[1])), scaled, f"--screenshot={shot}")
        picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(shot, picture)


def _browse(profile: str, page: Path, window: tuple[int, int], *options: str) -> str:
    command = [
        "chromium",
        "--headless=new",
        "--no-sandbox",  # it refuses to run as root with one; the page is ours
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}/profile",
        f"--window-size={window[0]},{window[1]}",
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_BROWSER_S, check=False)
    if done.returncode != 0:
        raise SystemExit(f"chromium failed:\n{done.stderr[-2000:]}")
    return done.stdout


def provide_browser() -> None:
    """Chromium, and the fonts that give each machine the same picture."""
    missing = [] if shutil.which("chromium") else ["chromium"]
    missing += [package for family, package in _FONTS.items() if not _has_font(family)]
    if not missing:
        return
    if not debian.is_usable():
        raise SystemExit(f"The picture needs {', '.join(missing)}: install them (names of Debian's packages).")
    debian.install(*missing)


def _has_font(family: str) -> bool:
    if shutil.which("fc-list") is None:
        return False
    return bool(subprocess.run(["fc-list", family], capture_output=True, check=False).stdout)


def _style_sheet() -> str:
    """GitHub's light style sheet for Markdown, fetched once."""
    name = f"{_STYLE_SHEET}-{_STYLE_SHEET_VERSION}"
    kept = dev_cache.folder("npm") / f"{name}.css"
    if not kept.exists():
        debian.say(f"fetching {name} (npm)")
        with tempfile.TemporaryDirectory() as folder:
            command = [
                "npm",
                "pack",
                "--silent",
                "--pack-destination",
                folder,
                f"{_STYLE_SHEET}@{_STYLE_SHEET_VERSION}",
            ]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
            with tarfile.open(Path(folder, f"{name}.tgz")) as packed:
                packed.extract("package/github-markdown-light.css", folder, filter="data")
            shutil.move(Path(folder, "package/github-markdown-light.css"), kept)
    return kept.read_text()


def _pixels(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG file, from its header."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


if __name__ == "__main__":
    sys.exit(main())
