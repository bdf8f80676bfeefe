"""The images of tests/support/images in the engine."""

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

import second_engine
from membudget.version import VERSION

_FOLDER = Path(__file__).parent / "images"
PROFILED = _FOLDER / "profiled"
"""The sources of services that grow."""
_CATALOGS = Path(__file__).parents[2] / "benchmarks" / "catalogs"


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """References of the built images."""

    truth: str
    """Allocates known numbers of MiB for known times: see truth.c."""
    service: str
    """An HTTP service on loopback: see service.py."""
    healthy: str
    """The same with a HEALTHCHECK."""
    greedy: str
    """The same, taking 200 MiB before it is ready."""
    trouble: str
    """Does what makes measuring hard: see trouble.c."""
    pretender: str
    """Runs PROGRAM in Python, by an executable that is called NAME."""
    obedient: str
    """Takes as much memory as what surrounds it says: see obedient.c."""


def build() -> PreparedImages:
    """Build them all; the engine's build cache makes it quick the second time."""
    targets = ("truth", "service", "healthy", "greedy", "trouble", "pretender", "obedient")
    built = [_build(target) for target in targets]
    second_engine.copy(*built)
    return PreparedImages(*built)


def build_light_helper(own_image: str) -> str:
    """membudget's own image without git and the docker client."""
    built = _build("helper", OWN=own_image, VERSION=VERSION)
    second_engine.copy(built)
    return built


@functools.cache
def build_catalog(runtime: str) -> str:
    """A service that keeps 400 times KEPT_BYTES, in one of the runtimes of benchmarks/catalogs."""
    return _built_folder(f"membudget-test/catalog-{runtime}", _CATALOGS / runtime)


@functools.cache
def build_profiled(service: str) -> str:
    """A service that keeps GROWTH_MIB more in one function, one of tests/support/images/profiled."""
    return _built_folder(f"membudget-test/profile-{service}", PROFILED / service)


def _built_folder(reference: str, folder: Path) -> str:
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", reference, str(folder)]
    subprocess.run(command, env=second_engine.builder_environ(), check=True, stdout=subprocess.DEVNULL)
    second_engine.copy(reference)
    return reference


def _build(target: str, **arguments: str) -> str:
    reference = f"membudget-test/{target}"
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--target", target]
    given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    command += [*given, "--tag", reference, str(_FOLDER)]
    subprocess.run(command, env=second_engine.builder_environ(), check=True, stdout=subprocess.DEVNULL)
    return reference
