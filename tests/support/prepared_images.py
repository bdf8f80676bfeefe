"""The images of tests/support/images in the engine."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import second_engine
from membudget.version import VERSION

_FOLDER = Path(__file__).parent / "images"


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
    obedient: str
    """Takes as much memory as what surrounds it says: see obedient.c."""


def build() -> PreparedImages:
    """Build them all; the engine's build cache makes it quick the second time."""
    targets = ("truth", "service", "healthy", "greedy", "trouble", "obedient")
    built = [_build(target) for target in targets]
    second_engine.copy(*built)
    return PreparedImages(*built)


def build_light_helper(own_image: str) -> str:
    """membudget's own image without git and the docker client."""
    built = _build("helper", OWN=own_image, VERSION=VERSION)
    second_engine.copy(built)
    return built


def _build(target: str, **arguments: str) -> str:
    reference = f"membudget-test/{target}"
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--target", target]
    given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    command += [*given, "--tag", reference, str(_FOLDER)]
    subprocess.run(command, env=second_engine.builder_environ(), check=True, stdout=subprocess.DEVNULL)
    return reference
