"""Second engines for tests, beside the one at hand: what a test leaves in one is nothing to tests on another.

Each has a network of its own, without a way out. What needs one to be built is built in the first engine, and copied.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import debian
import dockerd
import processes

_FIRST = "MEMBUDGET_TEST_FIRST_ENGINE"
"""For tests on the second engine: the address of the first."""
TESTS_BESIDE = "MEMBUDGET_TESTS_BESIDE"
"""Set for all tests while those on a second engine run: all leave their cgroups in one place."""
_NETWORK = "MEMBUDGET_TEST_ENGINE_NETWORK"
"""For tests on a second engine: the network namespace of that engine, as a path below /proc."""
_OF_WORKERS = "MEMBUDGET_TEST_ENGINES"
"""For processes of pytest-xdist: what each has to set to use an engine of its own, as JSON."""
_ANY_ENGINE = "unix:///var/run/docker.sock"
_PREFIX = "mb2-"
"""Short: sockets lie in the folder, and a socket's path has 107 bytes at most."""


def why_none() -> str | None:
    """Why there can be no second engine here; None where there can be one."""
    if os.name != "posix" or os.geteuid() != 0:
        return "that needs root"
    missing = [name for name in ("dockerd", "unshare") if shutil.which(name) is None]
    return f"{' and '.join(missing)} is missing" if missing else None


@contextmanager
def opened(before: tuple[str, ...] = ()) -> Iterator[dict[str, str]]:
    """A second engine, started by the command `before` it: the environment of tests on it. Nothing of it stays.

    Tests on the first engine have to start after it.
    """
    debian.say("starting another container engine, for a part of the tests")
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        scratch = folder / "tmp"
        scratch.mkdir()
        process = dockerd.start(folder, apart=True, before=before)
        os.environ[TESTS_BESIDE] = "1"
        try:
            yield {
                **os.environ,
                "DOCKER_HOST": f"unix://{dockerd.socket_in(folder)}",
                _FIRST: os.environ.get("DOCKER_HOST", _ANY_ENGINE),
                _NETWORK: f"/proc/{process.pid}/ns/net",
                "TMPDIR": str(scratch),
            }
        finally:
            processes.end_group(process, patience_s=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shared_out(environs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The environment of a `pytest -n` whose processes use one engine each, of those that `opened` gave."""
    own = [{key: environ[key] for key in ("DOCKER_HOST", "TMPDIR", _NETWORK)} for environ in environs]
    return {**environs[0], _OF_WORKERS: json.dumps(own)}


def take_own() -> str | None:
    """In a process of such a pytest: use the engine that is this process's, and return its own temporary folder."""
    engines, worker = os.environ.get(_OF_WORKERS), os.environ.get("PYTEST_XDIST_WORKER")
    if engines is None or worker is None:
        return None
    own: dict[str, str] = json.loads(engines)[int(worker.removeprefix("gw"))]
    os.environ.update(own)
    tempfile.tempdir = own["TMPDIR"]  # pytest has asked for it already
    return f"{own['TMPDIR']}/t"


def network() -> str | None:
    """The network namespace of the second engine, as a path below /proc; None where the first one is used."""
    return os.environ.get(_NETWORK)


def folder_in(path: str) -> str | None:
    """The folder of a second engine that a path leads through; None where it leads through none."""
    return next((part for part in Path(path).parts if part.startswith(_PREFIX)), None)


def builder_environ() -> dict[str, str]:
    """The environment of a docker client that builds what needs a network: that of the first engine."""
    first = os.environ.get(_FIRST)
    return {**os.environ, "DOCKER_HOST": first} if first else dict(os.environ)


def copy(*references: str) -> None:
    """Give the second engine images of the first, if this is the second and it has others or none.

    Together, for what they share goes once.
    """
    if _FIRST not in os.environ:
        return
    there = builder_environ()
    wanted = [one for one in references if not _is_here(one, image_id(one, there))]
    if not wanted:
        return
    with subprocess.Popen(["docker", "save", *wanted], env=there, stdout=subprocess.PIPE) as saving:
        subprocess.run(["docker", "load", "--quiet"], stdin=saving.stdout, stdout=subprocess.DEVNULL, check=True)
    if saving.returncode != 0:
        raise SystemExit(f"the first engine does not give {' '.join(wanted)}")


def image_id(reference: str, environ: dict[str, str] | None = None) -> str:
    """The id of an image in an engine; nothing where it is not there."""
    asked = ["docker", "image", "inspect", "--format", "{{.Id}}", reference]
    return subprocess.run(asked, env=environ, capture_output=True, text=True, check=False).stdout.strip()


def _is_here(reference: str, wanted: str) -> bool:
    """Whether the engine at hand has this image by this name. One that it has by another name gets this one too."""
    if wanted and image_id(reference) != wanted and image_id(wanted) == wanted:
        subprocess.run(["docker", "tag", wanted, reference], check=True)
    return image_id(reference) == wanted
