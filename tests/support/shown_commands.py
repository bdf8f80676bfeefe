"""The commands that pages show, and a newcomer's repository to run them in."""

import os
import re
import subprocess
from pathlib import Path

import base_image
from membudget.core.errors import ExitCode
from tests.support.repository import Repository

_DOCKERFILE = 'FROM debian:bookworm-slim\nCMD ["sh", "-c", "head -c 20000000 /dev/zero | tail -n 1 | wc -c"]\n'
"""tail holds the 20 MB: more than the smallest limit of a container, which no fit could go below."""


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    """The lines of shell code on a page."""
    return [line for block in blocks(page, "sh") for line in block.splitlines()]


_MOST_TRIES = 3


def newcomers_repository(folder: Path) -> Repository:
    """A repository with an image named api and nothing of membudget. The engine has the images that pages name."""
    base_image.provide("bookworm")
    base_image.provide("trixie")
    repository = Repository.new(folder / "api")
    repository.commit("A job", {"Dockerfile": _DOCKERFILE})
    return repository


def run_shown(command: str, folder: Path, programs: Path) -> None:
    """Run a command as a newcomer does, away from any workflow. It finds membudget in the folder `programs`.

    A figure that the machine did not give may be there next time: tests beside have containers killed, and the kernel's
    log then leaves cgroups out. Raises AssertionError unless it succeeds.
    """
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "INPUT_"))}
    environ["PATH"] = f"{programs}:{environ['PATH']}"
    for _ in range(_MOST_TRIES):
        done = subprocess.run(command, shell=True, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        if done.returncode != ExitCode.UNMEASURED:
            break
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
