"""An engine of another kind inside the tests' own: Debian's newer Docker, with the containerd image store."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import base_image
import second_engine
from tests.support.awaited import until

_FOLDER = Path(__file__).parent / "images/containerd_store"
_IMAGE = "membudget-test/containerd-store"
_AS_ENGINE = (  # not --privileged: a machine that is a sandbox itself may lack some capability of those
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup",
)


@contextlib.contextmanager
def opened(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """Start it, with its socket in a folder: the environment of its clients. `options` are of docker run."""
    base_image.provide("trixie")
    build = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", _IMAGE, str(_FOLDER)]
    subprocess.run(build, env=second_engine.builder_environ(), check=True)
    second_engine.copy(_IMAGE)
    command = ["docker", "run", "--detach", "--rm", f"--volume={folder}:/shared", *_AS_ENGINE, *options, _IMAGE]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    environ = {**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock"}
    try:
        until(lambda: _answers(environ), "the engine within the engine")
        yield environ
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], check=True, stdout=subprocess.DEVNULL)


def _answers(environ: dict[str, str]) -> bool:
    return subprocess.run(["docker", "version"], env=environ, capture_output=True, check=False).returncode == 0
