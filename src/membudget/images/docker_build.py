"""Builds an image with `docker buildx build`: the client is the interface, BuildKit has no other stable one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from membudget.budgets.budget import Build
from membudget.contents.dockerfile import LARGEST_DOCKERFILE
from membudget.engine.client_environment import client_environment
from membudget.engine.docker_containers import LOG_TAIL_LINES
from membudget.engine.docker_engine import Engine
from membudget.engine.docker_stream import LineTail
from membudget.errors import BuildFailed, EnvironmentFault
from membudget.images.docker_image import inspect_own
from membudget.images.revision import BuiltImage, Recipe

_TERMINATION_S = 5.0
_LARGEST_METADATA = 64 << 20
_ENDS_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM
if os.getppid() != int(sys.argv[1]):
    sys.exit(143)  # it was gone before
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"ERROR: {sys.argv[2]}: {error.strerror}")
"""
"""A program that becomes another one, which ends when membudget is killed (prctl(2); Linux only).

Not a `preexec_fn`: that is Python between fork and exec, where a lock of another thread may be held for ever.
"""

OnLine = Callable[[str], None]


class Builder:
    """Builds on one engine, from several threads if need be. What it starts it also ends, whatever happens."""

    def __init__(self, engine: Engine, environ: Mapping[str, str] = os.environ) -> None:
        # The client then writes BuildKit's own record of the build into its metadata (buildx 0.14 and newer).
        recorded = {"BUILDKIT_PROGRESS": "plain", "BUILDX_METADATA_PROVENANCE": "max"}
        self._engine = engine
        self._environ = {**client_environment(engine.address, environ), **recorded}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_cancelled = False

    def check(self) -> None:
        """Raises EnvironmentFault when the docker client or its buildx plugin is missing."""
        try:
            done = subprocess.run(
                ["docker", "buildx", "version"], env=self._environ, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise EnvironmentFault("the docker client is not installed", fix="install docker and its buildx") from None
        if done.returncode != 0:
            raise EnvironmentFault(
                "the docker client has no buildx, which builds the images",
                fix="install the plugin: packages docker-buildx-plugin (Docker's) or docker-buildx (Debian's)",
            )

    def build(self, spec: Build, checkout: Path, reference: str, on_line: OnLine) -> BuiltImage:
        """Build `spec` from a clean checkout and tag it `reference`. Raises BuildFailed and EnvironmentFault.

        The client streams the context to the builder: the engine need not see our files.
        """
        context = checkout / spec.context
        dockerfile = context / spec.dockerfile
        if not _lies_in(context, checkout):
            raise BuildFailed(f"the build context {spec.context} does not exist in this revision")
        if not _lies_in(dockerfile, checkout):
            written = Path(spec.context, spec.dockerfile)
            raise BuildFailed(f"the Dockerfile {written} does not exist in this revision")
        # Beside the checkout, in the run's own folder: what a killed run leaves is found there.
        with tempfile.TemporaryDirectory(prefix="build-", dir=checkout.parent) as scratch:
            metadata = Path(scratch) / "metadata.json"
            command = [*_command(spec), "--tag", reference, "--metadata-file", str(metadata)]
            self._run([*command, "--file", str(dockerfile), str(context)], on_line)
            recipe = Recipe(
                os.path.normpath(Path(spec.context, spec.dockerfile)),
                _text(dockerfile),
                spec.target,
                spec.args,
                _json(metadata),
            )
        # Not the client's --iidfile: that is the configuration's digest, by which engines with the containerd image
        # store know no image.
        return BuiltImage(inspect_own(self._engine, reference).image_id, reference, recipe=recipe)

    def cancel(self) -> None:
        """End the builds that run, and start no other. Called from another thread."""
        with self._lock:
            self._is_cancelled = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _ENDS_WITH_PARENT, str(os.getpid()), *command]
        with self._lock:
            if self._is_cancelled:
                raise BuildFailed("the run was cancelled")
            process = subprocess.Popen(
                command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def _run(self, command: list[str], on_line: OnLine) -> None:
        tail = LineTail(LOG_TAIL_LINES)
        process = self._start(command)
        try:
            for line in process.stdout or ():
                tail.feed(line)
                on_line(line.decode(errors="replace").rstrip())
            exit_code = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
            if process.stdout is not None:
                process.stdout.close()
        if exit_code != 0:
            lines = tail.lines()
            raise BuildFailed(_cause(lines) or f"docker buildx build exited with code {exit_code}", lines)


def _lies_in(path: Path, checkout: Path) -> bool:
    """Whether it exists in the checkout, symbolic links followed."""
    try:
        return path.exists() and path.resolve().is_relative_to(checkout.resolve())
    except OSError:  # a name too long for the file system
        return False


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(LARGEST_DOCKERFILE).decode(errors="replace")


def _json(path: Path) -> object:
    """What the client wrote of a build; None where it is none, or too large to be one."""
    try:
        if path.stat().st_size > _LARGEST_METADATA:
            return None
        content: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content


def _command(spec: Build) -> list[str]:
    # Attestations would make the image's id differ from build to build on engines that store them.
    command = ["docker", "buildx", "build", "--load", "--provenance=false", "--progress=plain"]
    if spec.target is not None:
        command.append(f"--target={spec.target}")
    if spec.platform is not None:
        command.append(f"--platform={spec.platform}")
    return command + [f"--build-arg={key}={value}" for key, value in spec.args.items()]


def _cause(lines: tuple[str, ...]) -> str | None:
    """The client's own last word on what failed."""
    for line in reversed(lines):
        if line.startswith("ERROR: "):
            return line.removeprefix("ERROR: ")
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a build: the client tells the builder to stop when it is asked to."""
    for number, patience in ((signal.SIGTERM, _TERMINATION_S), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        return
