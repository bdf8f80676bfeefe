"""Pages as a browser shows them: Debian's Chromium, without a screen, and small PNG files of what it drew."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import debian
import processes

_FONTS = {  # family: the Debian package that has it
    "Noto Sans": "fonts-noto-core",
    "Noto Color Emoji": "fonts-noto-color-emoji",
    "DejaVu Sans Mono": "fonts-dejavu-core",  # has the block elements that sparklines are made of
    "Fira Code": "fonts-firacode",  # what rich sets its pictures in
}
_PROGRAMS = {"chromium": "chromium", "pngquant": "pngquant", "fc-list": "fontconfig"}
_PATIENCE_S = 120
_LONGEST_SCRIPT_MS = 20_000
"""Time of the page's own clock, which runs as fast as its scripts need it to."""
_TELL_HEIGHT = """<script>
(window.drawn || Promise.resolve()).then(
  () => { document.title = Math.ceil(document.body.getBoundingClientRect().height) },
  (error) => { document.title = `failed: ${error}` },
)
</script>"""


@dataclass(frozen=True, slots=True)
class Window:
    """What a page is looked at through."""

    width: int
    scale: float = 1
    """Pixels of the picture for one of the page."""


def provide() -> None:
    """Chromium, and the fonts that give each machine the same picture."""
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    missing += [package for family, package in _FONTS.items() if not _has_font(family)]
    if not missing:
        return
    if not debian.is_usable():
        raise SystemExit(f"The pictures need {', '.join(missing)}: install them (names of Debian's packages).")
    debian.install(*missing)


def take(page: str, window: Window, picture: Path) -> str:
    """Save a page as a picture that is as tall as its content; what it became, as HTML.

    Its width is set in the page as well: Chromium has no window as narrow as a phone.
    A page whose scripts draw sets `window.drawn` to a promise, which is waited for.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(f"{page}<style>html {{ width: {window.width}px }}</style>{_TELL_HEIGHT}")
        drawn = _browse(folder, file, window, 1000, "--dump-dom")
        title = re.search(r"<title>(.*?)</title>", drawn)
        if title is None or not title[1].isdecimal():
            raise SystemExit(f"chromium does not tell the page's height: {title[1] if title else drawn[-2000:]}")
        shot = Path(folder, "shot.png")
        _browse(folder, file, window, int(title[1]), f"--screenshot={shot}")
        picture.parent.mkdir(parents=True, exist_ok=True)
        colours = ["pngquant", "--force", "--speed", "1", "--strip", "32", "--output", str(picture), str(shot)]
        processes.run(colours, _PATIENCE_S).check_returncode()
        return drawn


def _browse(profile: str, page: Path, window: Window, height: int, *options: str) -> str:
    command = [
        "chromium",
        "--headless=new",
        "--no-sandbox",  # it refuses to run as root with one; the page is ours
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}/profile",
        f"--window-size={window.width},{height}",
        f"--force-device-scale-factor={window.scale}",
        f"--virtual-time-budget={_LONGEST_SCRIPT_MS}",
        *options,
        page.as_uri(),
    ]
    done = processes.run(command, _PATIENCE_S)
    if done.returncode != 0:
        raise SystemExit(f"chromium failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _has_font(family: str) -> bool:
    if shutil.which("fc-list") is None:
        return False
    return bool(subprocess.run(["fc-list", family], capture_output=True, check=False).stdout)
