"""Wheel and sdist: built reproducibly, and compared with what the package index has.

The upload is not here: trusted publishing is for the index's own action, which signs what it uploads.
"""

import hashlib
import os
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import requests

from release.source import Source

_TIMEOUT_S = 30
_PAUSE_S = 5


def build(source: Source, target: Path) -> list[Path]:
    """Build both into a new folder. The same commit and the same hatchling make the same bytes."""
    if target.exists() and any(target.iterdir()):
        raise SystemExit(f"{target} is not empty: name a new folder")
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(source.committed_at)}
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(target.resolve())]
    if subprocess.run(command, cwd=source.folder, env=env, stdout=sys.stderr, check=False).returncode != 0:
        raise SystemExit(f"the packages cannot be built: {' '.join(command)}")
    return built(source, target)


def built(source: Source, folder: Path) -> list[Path]:
    """The sdist and the wheel in a folder. Raises SystemExit if there is something else, or one of them is missing."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    wanted = [f"membudget-{source.version}-py3-none-any.whl", f"membudget-{source.version}.tar.gz"]
    if [path.name for path in found] != wanted:
        names = ", ".join(path.name for path in found) or "nothing"
        raise SystemExit(f"{folder} has {names}, and should have {' and '.join(wanted)}")
    return found


def missing(index: str, files: list[Path]) -> list[Path]:
    """Which files an index (PEP 503) lacks. Raises SystemExit if it has another file of the same name."""
    there = _hashes(index)
    absent = []
    for path in files:
        own = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.name not in there:
            absent.append(path)
        elif there[path.name] != own:
            raise SystemExit(
                f"{index} has another {path.name}: sha256 {there[path.name]}, and this one is {own}\n"
                "fix: build with the same commit and requirements-build.lock, or raise the version"
            )
    return absent


def await_upload(index: str, files: list[Path], patience_s: float) -> None:
    """Wait until an index serves the files. It may answer from a cache for some minutes."""
    deadline = time.monotonic() + patience_s
    while absent := missing(index, files):
        if time.monotonic() > deadline:
            raise SystemExit(f"{index} does not have {', '.join(path.name for path in absent)}\nfix: upload, run again")
        time.sleep(min(_PAUSE_S, patience_s))


def _hashes(index: str) -> dict[str, str]:
    """The SHA-256 of each file on the project's page; empty if the index does not have the project."""
    try:
        answer = requests.get(f"{index.rstrip('/')}/membudget/", headers={"Accept": "text/html"}, timeout=_TIMEOUT_S)
        if answer.status_code == requests.codes.not_found:
            return {}
        answer.raise_for_status()
    except requests.RequestException as error:
        raise SystemExit(f"{index} does not answer: {error}") from None
    page = _Page()
    page.feed(answer.text)
    return page.hashes


class _Page(HTMLParser):
    """A project's page of an index: links to files, with their hash behind the #."""

    def __init__(self) -> None:
        super().__init__()
        self.hashes: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link."""
        address, fragment = urldefrag(dict(attrs).get("href") or "")
        algorithm, _, value = fragment.partition("=")
        if tag == "a" and algorithm == "sha256":
            self.hashes[unquote(urlsplit(address).path.rpartition("/")[2])] = value
