"""Builds membudget's own image: the action, and the helper containers.

Where no registry answers, it stands on the base image that was made here, and takes the newest packages. A proxy with a
certificate authority of its own, as companies have, is passed in as an optional secret.
"""

import os
import subprocess
import sys
from pathlib import Path

import base_image
import debian
import dev_cache
import second_engine

_TOP = Path(__file__).resolve().parent.parent


def build(tag: str, *options: str) -> None:
    """Build it and tag it; what had the tag before is removed, if nothing else holds it. `options` are for buildx."""
    base = base_image.provide("trixie")
    debian.say(f"building membudget's own image, {tag}")
    authority = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    secret = ["--secret", f"id=ca,src={authority}"] if authority else []
    here = [] if base_image.is_pulled(base) else [f"--build-arg=BASE={base}", "--build-arg=PACKAGES=newest"]
    command = [
        "docker",
        "buildx",
        "build",
        "--load",
        "--quiet",
        "--provenance=false",
        "--tag",
        tag,
        *secret,
        *here,
        *options,
    ]
    command.append(str(_TOP))
    environ = second_engine.builder_environ()
    with dev_cache.locked("own-image"):
        before = second_engine.image_id(tag, environ)
        done = subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise SystemExit(f"membudget's own image cannot be built: {' '.join(command)}")
        if before and before != second_engine.image_id(tag, environ):
            subprocess.run(["docker", "image", "rm", before], env=environ, capture_output=True, check=False)
    second_engine.copy(tag)


def main() -> int:
    """Build it under the name of this version."""
    from membudget.version import VERSION

    build(f"membudget:{VERSION}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
