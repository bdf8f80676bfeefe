"""The images of tests/support/images in the engine."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

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


def build() -> PreparedImages:
    """Build them all; the engine's build cache makes it quick the second time."""
    return PreparedImages(*(_build(target) for target in ("truth", "service", "healthy")))


def _build(target: str) -> str:
    reference = f"membudget-test/{target}"
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--target", target]
    subprocess.run([*command, "--tag", reference, str(_FOLDER)], check=True, stdout=subprocess.DEVNULL)
    return reference
