"""What the tooling asks of Debian: packages of the machine's own release, and single files of a newer one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dev_cache


def say(text: str) -> None:
    """Tell what is being done, while it is done."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def is_usable() -> bool:
    """Whether packages can be installed here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages, without the ones that are merely recommended."""
    say(f"installing {' '.join(packages)} (apt)")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with dev_cache.locked("apt"):  # apt does not wait by itself
        _quietly(["apt-get", "update"], environ)
        _quietly(["apt-get", "install", "-y", "--no-install-recommends", *packages], environ)


def unpack(packages: list[str], suite: str, target: Path) -> None:
    """Unpack packages of another release into a folder, leaving the machine's own packages and sources alone."""
    state = target / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    source = state / "other.sources"
    source.write_text(
        f"Types: deb\nURIs: {_archive()}\nSuites: {suite}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    options = [
        f"-oDir::Etc::sourcelist={source}",
        "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::lists={state / 'lists'}",
        f"-oDir::Cache={state / 'cache'}",
        "-oAPT::Sandbox::User=root",
    ]
    _quietly(["apt-get", *options, "update"])
    _quietly(["apt-get", *options, "download", *packages], cwd=state)
    for package in state.glob("*.deb"):
        _quietly(["dpkg", "-x", str(package), str(target)])
    shutil.rmtree(state)


def _archive() -> str:
    """The archive this machine uses itself: a mirror inside a company, often."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        for line in path.read_text().splitlines() if path.exists() else ():
            words = line.split()
            if words[:1] in (["URIs:"], ["deb"]):
                return next(word for word in words[1:] if "://" in word)
    raise SystemExit("no Debian archive in /etc/apt: install docker's buildx plugin by hand")


def _quietly(command: list[str], environ: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, env=environ, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}")
