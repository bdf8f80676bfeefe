"""Progress on a real pseudo terminal: what reaches the screen, byte by byte."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest
from rich.cells import cell_len

from tests.support.started import started

IMAGES, SECONDS, WIDTH, HEIGHT = 3, 2.2, 60, 24
PROGRAM = f"""
import time
from rich.console import Console
from membudget.core.progress import Doing, Running, Stage, ProgressStep
from membudget.publish.progress_terminal import TerminalProgress

images = [f"image-with-a-rather-long-name-{{number}}" for number in range({IMAGES})]
running = [Running(images[0], "steady", 42 << 20)]
progress = TerminalProgress(Console(stderr=True), {{name: 90_000 for name in images}})
print("before", flush=True)
with progress.stage(Stage.MEASURING, images, lambda: running), progress.image(images[0]):
    with progress.step(ProgressStep(images[0], Doing.TRIAL, "head", number=4, most=10, is_extra=True)):
        time.sleep({SECONDS} / 2)
        progress.note("a note")
        time.sleep({SECONDS} / 2)
print("after", flush=True)
"""
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@pytest.fixture(scope="module")
def screen() -> str:
    """All that the program wrote to its terminal."""
    return on_terminal(PROGRAM)


def on_terminal(program: str, interrupted_after: str = "") -> str:
    """Run a program on a terminal. Press Ctrl-C once it has written `interrupted_after`. Return all that it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color"} | dict.fromkeys(("COLUMNS", "LINES"), "")
    process = started(
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environ,
            start_new_session=True,
        )
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := _read(ours):
            seen += chunk
            if interrupted_after and interrupted_after in seen.decode(errors="replace"):
                os.write(ours, b"\x03")
                interrupted_after = ""
    finally:
        os.close(ours)
        process.wait(timeout=30)
    return seen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux reports the end of the other side as an error
        return b""


@pytest.mark.thorough
def test_each_image_has_a_line(screen: str) -> None:
    plain = _CONTROL.sub("", screen)
    assert "Measuring 0 of 3 images, about 4 min left" in plain
    assert plain.count("waiting") >= 2


@pytest.mark.thorough
def test_no_line_is_wider_than_the_terminal(screen: str) -> None:
    lines = re.split(r"[\r\n]+", _CONTROL.sub("", screen))
    assert max(map(cell_len, lines)) <= WIDTH


@pytest.mark.thorough
def test_nothing_flickers(screen: str) -> None:
    """Lines are overwritten, and only when they say something new. They are cleared for the note, and at the end."""
    height = IMAGES + 1
    assert screen.count("\x1b[2K") <= 2 * (height + 1)
    assert "\x1b[2J" not in screen, "the screen is never cleared"
    assert "\x1b[H" not in screen
    most_frames = SECONDS + 3
    assert screen.count("\x1b[1A") <= most_frames * height
    drawn = screen.count("Measuring 0 of 3 images")
    assert 1 <= drawn <= 1 + SECONDS + 2, "once a second at most, when the time changes, and for the note"


@pytest.mark.thorough
def test_only_notes_and_the_programs_own_output_stay(screen: str) -> None:
    assert screen.startswith("before\r\n")
    assert screen.endswith("after\r\n")
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") == 1, "the cursor is hidden and shown again"
    left = _shown(screen)
    assert left == ["before", "a note", "after"]


INTERRUPTED = """
import fcntl, termios, time
from rich.console import Console
from membudget.core.errors import Interrupted
from membudget.core.progress import Doing, Stage, ProgressStep
from membudget.core.work import install_signal_handlers
from membudget.publish.progress_terminal import TerminalProgress

fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal
install_signal_handlers()
progress = TerminalProgress(Console(stderr=True))
try:
    with progress.stage(Stage.BUILDING, ["api"]), progress.image("api"):
        with progress.step(ProgressStep("api", Doing.BUILD, "head")):
            time.sleep(60)
except Interrupted:
    print("interrupted", flush=True)
"""


@pytest.mark.thorough
def test_an_interrupt_leaves_the_terminal_as_it_was() -> None:
    screen = on_terminal(INTERRUPTED, interrupted_after="building head")
    assert screen.index("\x1b[?25l") < screen.rindex("\x1b[?25h"), "the cursor is shown again"
    assert _shown(screen.replace("^C", "")) == ["interrupted"]


def _shown(screen: str) -> list[str]:
    """Return the lines that a terminal would show at the end."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-?]*[ -/]*[@-~]|\r|\n|[^\x1b\r\n]+", screen):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif re.fullmatch(r"\x1b\[\d*A", token):
            row -= int(token[2:-1] or 1)
        elif token == "\x1b[2K":
            lines[row] = ""
        elif token == "\x1b[0K":
            lines[row] = lines[row][:column]
        elif not token.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines if line.strip()]
