"""A second engine for tests, beside the one at hand: what a test leaves in one is nothing to tests on the other.

It has a network of its own, without a way out. What needs one to be built is built in the first engine, and copied.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import debian
import dockerd
import processes

_FIRST = "MEMBUDGET_TEST_FIRST_ENGINE"
"""For tests on the second engine: the address of the first."""
TESTS_BESIDE = "MEMBUDGET_TESTS_BESIDE"
"""Set for all tests while those on the second engine run: both leave their cgroups in one place."""
_ANY_ENGINE = "unix:///var/run/docker.sock"


def why_none() -> str | None:
    """Why there can be no second engine here; None where there can be one."""
    if os.name != "posix" or os.geteuid() != 0:
        return "that needs root"
    missing = [name for name in ("dockerd", "unshare") if shutil.which(name) is None]
    return f"{' and '.join(missing)} is missing" if missing else None


@contextmanager
def opened() -> Iterator[dict[str, str]]:
    """A second engine: the environment of tests on it. Nothing of it stays.

    Tests on the first engine have to start after it.
    """
    debian.say("starting a second container engine, for half of the tests")
    folder = Path(tempfile.mkdtemp(prefix="mb2-"))  # short: sockets lie in it
    try:
        scratch = folder / "tmp"
        scratch.mkdir()
        process = dockerd.start(folder, apart=True)
        os.environ[TESTS_BESIDE] = "1"
        try:
            yield {
                **os.environ,
                "DOCKER_HOST": f"unix://{dockerd.socket_in(folder)}",
                _FIRST: os.environ.get("DOCKER_HOST", _ANY_ENGINE),
                "TMPDIR": str(scratch),
            }
        finally:
            processes.end_group(process, patience_s=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def builder_environ() -> dict[str, str]:
    """The environment of a docker client that builds what needs a network: that of the first engine."""
    first = os.environ.get(_FIRST)
    return {**os.environ, "DOCKER_HOST": first} if first else dict(os.environ)


def copy(reference: str) -> None:
    """Give the second engine an image of the first, if this is the second and it has another or none."""
    there = builder_environ()
    if _FIRST not in os.environ or image_id(reference, there) == image_id(reference):
        return
    with subprocess.Popen(["docker", "save", reference], env=there, stdout=subprocess.PIPE) as saving:
        subprocess.run(["docker", "load", "--quiet"], stdin=saving.stdout, stdout=subprocess.DEVNULL, check=True)
    if saving.returncode != 0:
        raise SystemExit(f"the first engine does not give {reference}")


def image_id(reference: str, environ: dict[str, str] | None = None) -> str:
    """The id of an image in an engine; nothing where it is not there."""
    asked = ["docker", "image", "inspect", "--format", "{{.Id}}", reference]
    return subprocess.run(asked, env=environ, capture_output=True, text=True, check=False).stdout.strip()
