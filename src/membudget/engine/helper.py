"""Helper processes: small programs that work in places that membudget itself may not enter.

A helper reads JSON objects, one per line, and answers each with one. It is a local process if membudget can see the
engine's machine, and a container otherwise (inside the action, or without root).
"""

import os
import re
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from docker.errors import NotFound

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.quantities import MIB
from membudget.engine.child_environment import helper_environment
from membudget.engine.connection import Engine, engine_errors
from membudget.engine.containers import Containers
from membudget.engine.options import ContainerOptions
from membudget.engine.stream import STDOUT, LineTail

HELPER_MEMORY_BYTES = 512 * MIB
"""The memory limit of helper containers. A service's answers must not make them fill the machine's memory."""


class HelperFailed(EnvironmentFault):
    """A helper ended, or did not answer in time."""

    usual_check = DoctorCheck.PROBE


class Helper(Protocol):
    """A running helper."""

    def send(self, line: str) -> None:
        """Send one line. Raises HelperFailed if the helper has ended."""

    def receive(self, timeout_s: float) -> str:
        """Return the next line. Raises TimeoutError, and HelperFailed if the helper has ended."""

    def close(self) -> None:
        """End the helper in any state. Never raises."""


class LineBuffer:
    """Joins pieces of output to lines of limited length."""

    def __init__(self, longest_bytes: int = 1 << 20) -> None:
        self._longest = longest_bytes
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        """Add a piece. Raises HelperFailed if a line is too long."""
        self._buffer += data
        if len(self._buffer) > self._longest and self._end() < 0:
            self._buffer.clear()
            raise HelperFailed(f"a helper sent a line of more than {self._longest >> 20} MiB")

    def next(self) -> str | None:
        """Remove and return the first complete line. None if there is none yet."""
        end = self._end()
        if end < 0:
            return None
        line = self._buffer[:end].decode(errors="replace")
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _end(self) -> int:
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer) if end < 0 else end
        return end


_GRACE_S = 2.0
_TOLD_BYTES = 2000
"""How much of a helper's standard error is included in messages."""


class SubprocessHelper:
    """A helper `python -m MODULE`, connected by pipes. It has its own session, so that Ctrl-C does not reach it."""

    def __init__(self, module: str, longest_line_bytes: int = 1 << 20) -> None:
        self._module = module
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._lines = LineBuffer(longest_line_bytes)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            env=helper_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )

    def send(self, line: str) -> None:
        """Send one line. Raises HelperFailed if the helper has ended."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - Popen was given PIPE
        try:
            pipe.write(line.encode() + b"\n")
            pipe.flush()
        except (BrokenPipeError, ValueError):
            raise self._failure("ended early") from None

    def receive(self, timeout_s: float) -> str:
        """Return the next line. Raises TimeoutError, and HelperFailed if the helper has ended."""
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - Popen was given PIPE
        deadline = time.monotonic() + timeout_s
        while (line := self._lines.next()) is None:
            readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError
            received = os.read(pipe.fileno(), 1 << 20)
            if not received:
                raise self._failure("ended early")
            self._lines.feed(received)
        return line

    def close(self, grace_s: float = _GRACE_S) -> None:
        """Close the helper's input, which ends it. Kill it if it still runs after `grace_s` seconds."""
        process = self._process
        try:
            if process.stdin is not None:
                process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._errors.close()

    def _failure(self, what: str) -> HelperFailed:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _TOLD_BYTES))
        said = self._errors.read(_TOLD_BYTES).decode(errors="replace").strip()
        return HelperFailed(f"the helper {self._module} {what}: {said or 'no output'}")


# The engine mounts /etc/hosts, /etc/hostname and /etc/resolv.conf from its folder for the container. Docker's is
# .../containers/ID/hostname, Podman's .../overlay-containers/ID/userdata/hostname.
_ENGINE_FOLDER = re.compile(r"containers/([0-9a-f]{64})/\S* /etc/(?:hostname|hosts|resolv\.conf) ")


def own_container_id(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the ID of the container that this process runs in. None outside of one (proc(5), /proc/pid/mountinfo)."""
    try:
        found = _ENGINE_FOLDER.search(mountinfo.read_text())
    except OSError:
        return None
    return found[1] if found else None


HELPER_LABEL = "membudget.version"
"""The label of images that contain membudget. Its value is the version."""


def find_helper_image(engine: Engine, version: str, asked: str | None) -> str:
    """Return the ID of an image that contains membudget.

    This is the image `asked` for, else the image of our own container, else the image with membudget's tag. A label is
    not enough, because any Dockerfile can set it, including a pull request's, and helpers have more rights than other
    containers. Raises EnvironmentFault if there is none.
    """
    images = engine.client.images
    with engine_errors("looking for membudget's own image"):
        for reference in (asked,) if asked else (_image_we_run_from(engine, version), f"membudget:{version}"):
            if reference is None:
                continue
            try:
                return str(images.get(reference).id)
            except NotFound:
                continue
    if asked:
        raise EnvironmentFault(
            f"the helper image {asked} is not in the engine",
            fix=f"docker pull {asked}, or build it",
            check=DoctorCheck.HELPER_IMAGE,
        )
    raise EnvironmentFault(
        f"membudget cannot see this engine's cgroups itself, and the engine has no image membudget:{version}"
        " to look from",
        fix=f"build it once, from membudget's repository: docker buildx build --load -t membudget:{version} .",
        check=DoctorCheck.HELPER_IMAGE,
    )


def _image_we_run_from(engine: Engine, version: str) -> str | None:
    """Return the image of our own container, as inside the action. None outside, or if it is not membudget's image."""
    container_id = own_container_id()
    if container_id is None:
        return None
    try:
        container = engine.client.api.inspect_container(container_id)
    except NotFound:  # the container belongs to another engine
        return None
    labels = container["Config"]["Labels"] or {}
    return str(container["Image"]) if labels.get(HELPER_LABEL) == version else None


class DockerHelper:
    """A helper `python -m MODULE` in a container, connected by its attached input and output.

    `options` say with what rights, and in which namespaces. What is the same for all helpers is set here.
    """

    def __init__(
        self, containers: Containers, module: str, options: ContainerOptions, longest_line_bytes: int = 1 << 20
    ) -> None:
        self._module = module
        self._containers = containers
        self._lines = LineBuffer(longest_line_bytes)
        self._errors = LineTail()
        program = ("python3", "-m", module)
        self.container_id = containers.create(
            replace(options, entrypoint=program, command=(), memory_bytes=HELPER_MEMORY_BYTES, interactive=True)
        )
        try:
            self._stream = containers.attach(self.container_id, input_too=True)
            containers.start(self.container_id)
        except BaseException:
            containers.remove(self.container_id)
            raise

    def send(self, line: str) -> None:
        """Send one line. Raises HelperFailed if the helper has ended."""
        try:
            self._stream.send(line.encode() + b"\n")
        except OSError:
            raise self._failure() from None

    def receive(self, timeout_s: float) -> str:
        """Return the next line. Raises TimeoutError, and HelperFailed if the helper has ended."""
        deadline = time.monotonic() + timeout_s
        while (line := self._lines.next()) is None:
            try:
                frame = self._stream.next_frame(deadline)
            except TimeoutError:
                raise
            except OSError:
                frame = None
            if frame is None:
                raise self._failure()
            stream, payload = frame
            if stream == STDOUT:
                self._lines.feed(payload)
            else:
                self._errors.feed(payload)
        return line

    def close(self) -> None:
        """End the helper and remove its container. If the engine is gone, the next run removes the container."""
        self._stream.close()
        try:
            self._containers.remove(self.container_id)
        except EnvironmentFault:
            return

    def _failure(self) -> HelperFailed:
        said = "\n".join(self._errors.lines()) or "no output"
        return HelperFailed(f"the helper {self._module} ended early in its container: {said}")
