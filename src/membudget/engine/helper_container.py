"""A helper inside a container, from an image that holds membudget: the action's own image, or one built from it."""

import re
import time
from pathlib import Path

from docker.errors import NotFound

from membudget.core.errors import EnvironmentFault
from membudget.engine.connection import Engine, engine_errors
from membudget.engine.containers import Containers
from membudget.engine.helper import HelperFailed, LineBuffer
from membudget.engine.options import ContainerOptions
from membudget.engine.stream import STDOUT, LineTail

# The engine mounts /etc/hosts, /etc/hostname and /etc/resolv.conf from its folder of the container: Docker's is
# .../containers/ID/hostname, Podman's .../overlay-containers/ID/userdata/hostname.
_ENGINE_FOLDER = re.compile(r"containers/([0-9a-f]{64})/\S* /etc/(?:hostname|hosts|resolv\.conf) ")


def own_container_id(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The id of our own container; None outside of one (proc(5), /proc/pid/mountinfo)."""
    try:
        found = _ENGINE_FOLDER.search(mountinfo.read_text())
    except OSError:
        return None
    return found[1] if found else None


HELPER_LABEL = "membudget.version"
"""The label on an image that holds membudget; its value is the version."""


def find_helper_image(engine: Engine, version: str, asked: str | None) -> str:
    """The id of an image that holds membudget: the one `asked` for, else the one we run from, else our own tag.

    Never one that merely says it is: any Dockerfile can carry a label, a pull request's too, and helpers are given
    more than other containers. Raises EnvironmentFault when there is none.
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
            f"the helper image {asked} is not in the engine", fix=f"docker pull {asked}, or build it"
        )
    raise EnvironmentFault(
        f"membudget cannot see this engine's cgroups itself, and the engine has no image membudget:{version}"
        " to look from",
        fix=f"build it once, from membudget's repository: docker buildx build --load -t membudget:{version} .",
    )


def _image_we_run_from(engine: Engine, version: str) -> str | None:
    """The image of our own container, as inside the action; None outside, or where it is not membudget's image."""
    container_id = own_container_id()
    if container_id is None:
        return None
    try:
        container = engine.client.api.inspect_container(container_id)
    except NotFound:  # of another engine
        return None
    labels = container["Config"]["Labels"] or {}
    return str(container["Image"]) if labels.get(HELPER_LABEL) == version else None


class DockerHelper:
    """`python -m MODULE` in a container, talked to over its attached input and output."""

    def __init__(
        self, containers: Containers, module: str, options: ContainerOptions, longest_line_bytes: int = 1 << 20
    ) -> None:
        self._module = module
        self._containers = containers
        self._lines = LineBuffer(longest_line_bytes)
        self._errors = LineTail()
        self.container_id = containers.create(options)
        try:
            self._stream = containers.attach(self.container_id, input_too=True)
            containers.start(self.container_id)
        except BaseException:
            containers.remove(self.container_id)
            raise

    def send(self, line: str) -> None:
        """Give it one line."""
        try:
            self._stream.send(line.encode() + b"\n")
        except OSError:
            raise self._failure() from None

    def receive(self, timeout_s: float) -> str:
        """Its next line."""
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
        """End it and remove its container. An engine that is gone keeps the container for the next run to reap."""
        self._stream.close()
        try:
            self._containers.remove(self.container_id)
        except EnvironmentFault:
            return

    def _failure(self) -> HelperFailed:
        said = "\n".join(self._errors.lines()) or "it said nothing"
        return HelperFailed(f"the helper {self._module} ended early in its container: {said}")
