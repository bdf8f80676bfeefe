"""Renews what the project pins: actions by commit, the base of our image by digest, and memray's wheels by hash.

    python tools/pins.py       what `make pins` runs

memray stays on its version, because membudget knows what this version imports.
An action stays on its major version. membudget itself gets the commit of the tag of this version, once there is one.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import requests

import debian
from membudget.measure.profiling.memray_wheels import MEMRAY_VERSION
from membudget.version import VERSION

_TOP = Path(__file__).resolve().parent.parent
_PLACES = ("README.md", "docs/*.md", ".github/workflows/*.yml", "src/membudget/setup/workflow_text.py")
_OURS = "membudget/membudget"
_PIN = re.compile(r"(?P<before>\buses: (?P<repository>[\w.-]+/[\w.-]+)[\w./-]*@)(?P<commit>\S+) # v(?P<version>[\d.]+)")
_BASE = re.compile(r"^(?P<before>ARG BASE=(?P<tag>\S+)@)(?P<digest>sha256:[0-9a-f]{64})$", re.MULTILINE)
_WHEELS = "src/membudget/measure/profiling/memray_wheels.py"
_TABLE = re.compile(r"(?<=    # made by tools/pins.py\n).*(?=    # end\n)", re.DOTALL)
_WHEEL = re.compile(
    r"memray-(?P<version>[\d.]+)-cp3(?P<minor>\d+)-cp3(?P=minor)-"
    r"(?:manylinux2014_x86_64\.manylinux_2_17_x86_64|manylinux_2_26_aarch64\.manylinux_2_28_aarch64|musllinux_1_2_x86_64)"
    r"\.whl"
)
"""Of the wheels for glibc, those that need the oldest one."""
_PLATFORMS = {"amd64", "arm64"}


@dataclass(frozen=True, slots=True)
class Release:
    """A version of an action, and the commit that its tag has."""

    version: str
    commit: str


def main() -> int:
    """Renew all pins; what changed, git shows."""
    for file in (found for place in _PLACES for found in sorted(_TOP.glob(place))):
        file.write_text(with_newest_actions(file.read_text()))
    dockerfile = _TOP / "Dockerfile"
    dockerfile.write_text(with_newest_base(dockerfile.read_text()))
    wheels = _TOP / _WHEELS
    wheels.write_text(with_wheels(wheels.read_text(), MEMRAY_VERSION, _listed("memray")))
    return subprocess.run(["git", "--no-pager", "diff", "--stat"], cwd=_TOP, check=False).returncode


def with_newest_actions(text: str) -> str:
    """A workflow or a page, with each pin of an action renewed."""

    def renewed(pin: re.Match[str]) -> str:
        newest = _newest(pin["repository"], pin["version"])
        return f"{pin['before']}{newest.commit} # v{newest.version}" if newest is not None else pin[0]

    return _PIN.sub(renewed, text)


def with_newest_base(dockerfile: str) -> str:
    """A Dockerfile, with the digest that its base image's tag has now."""

    def renewed(pin: re.Match[str]) -> str:
        return pin["before"] + _digest(pin["tag"])

    return _BASE.sub(renewed, dockerfile)


def with_wheels(module: str, version: str, files: Sequence[Mapping[str, Any]]) -> str:
    """The table of memray's wheels, with the files of a version as the index lists them (PEP 691)."""
    found = []
    for file in files:
        name = _WHEEL.fullmatch(file["filename"])
        if name is not None and name["version"] == version and not file.get("yanked"):
            fields = (f'"{name[0]}"', file["size"], f'"{file["hashes"]["sha256"]}"')
            line = "".join(("    Wheel(\n", *(f"        {field},\n" for field in fields), "    ),\n"))
            found.append((int(name["minor"]), name[0], line))
    return _TABLE.sub("".join(line for _, _, line in sorted(found)), module)


def _listed(project: str) -> Sequence[Mapping[str, Any]]:
    debian.say(f"asking PyPI for {project}")
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    answer = requests.get(f"https://pypi.org/simple/{project}/", headers=accept, timeout=60)
    answer.raise_for_status()
    files: Sequence[Mapping[str, Any]] = answer.json()["files"]
    return files


@cache
def _newest(repository: str, pinned: str) -> Release | None:
    if repository == _OURS:
        return next((one for one in _releases(repository) if one.version == VERSION), None)
    major = pinned.partition(".")[0]
    same = [one for one in _releases(repository) if one.version.split(".")[0] == major]
    return max(same, key=lambda one: [int(part) for part in one.version.split(".")], default=None)


def _releases(repository: str) -> Iterator[Release]:
    """What has three numbers: a tag like v6 moves on. Of an annotated tag, its commit, which git lists after it."""
    debian.say(f"asking github.com for the releases of {repository}")
    command = ["git", "ls-remote", "--tags", f"https://github.com/{repository}"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    tags = re.findall(r"^([0-9a-f]{40})\trefs/tags/v(\d+\.\d+\.\d+)(?:\^\{\})?$", listed, re.MULTILINE)
    commits = {version: commit for commit, version in tags}
    return (Release(version, commit) for version, commit in commits.items())


def _digest(tag: str) -> str:
    """The digest of a tag's index, which names the image of each platform."""
    debian.say(f"asking the registry for {tag}")
    command = ["docker", "buildx", "imagetools", "inspect", "--raw", tag]
    index = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    platforms = {one.get("platform", {}).get("architecture") for one in json.loads(index).get("manifests", ())}
    if not platforms >= _PLATFORMS:
        raise SystemExit(f"{tag} is not there for each of {', '.join(sorted(_PLATFORMS))}: pin another")
    return f"sha256:{hashlib.sha256(index).hexdigest()}"


if __name__ == "__main__":
    sys.exit(main())
