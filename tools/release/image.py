"""The published image: built for all platforms with SBOM and provenance, checked, pushed once.

Building, checking and pushing are apart, so that nothing reaches the registry before it was checked. `docker buildx`
builds into an archive, and `skopeo` copies the archive as it is, so that the digest stays the same.
"""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from release import archive
from release.source import Source

PLATFORMS = ("linux/amd64", "linux/arm64")
MOST_BYTES = 160_000_000
"""The compressed layers of each platform: what a runner downloads before the action's first line."""
SCANNER = "docker/buildkit-syft-scanner:1.12.0@sha256:ae4f3b554449e7e25548e7d8ccc029d17357348e30c6e3df01b92bc93654d6a9"
_REVISION = "org.opencontainers.image.revision"
_NOT_THERE = ("manifest unknown", "name unknown", "requested access to the resource is denied")
"""MANIFEST_UNKNOWN, NAME_UNKNOWN and DENIED of the OCI distribution specification, as skopeo prints them.

ghcr.io denies access to a package that does not exist yet, so that nobody learns of private ones. Who may push to a
package that exists may also read it.
"""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry."""

    repository: str
    """Such as ghcr.io/membudget/membudget."""
    digest: str
    """Of the index of all platforms."""

    @property
    def reference(self) -> str:
        """What a workflow can run, and what never changes."""
        return f"{self.repository}@{self.digest}"


def provide(source: Source, repository: str, options: Sequence[str] = (), scanner: str = SCANNER) -> Image:
    """Return the image of a release from the registry. If it is not there yet, build, check and push it."""
    there = published(source, repository)
    if there is not None:
        return there
    with tempfile.TemporaryDirectory(prefix="membudget-release-") as scratch:
        path = Path(scratch, "image.tar")
        build(source, repository, path, options, scanner)
        return push(source, repository, path)


def published(source: Source, repository: str) -> Image | None:
    """Return the image that the registry has for a version, or None.

    Raises SystemExit if it was built from another commit: a published version does not change.
    """
    name = f"{repository}:{source.version}"
    done = _skopeo("inspect", *_without_tls(repository), "--raw", f"docker://{name}")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        if any(code in said for code in _NOT_THERE):
            return None
        raise SystemExit(f"the registry does not tell whether it has {name}:\n{said}")
    commit = json.loads(done.stdout).get("annotations", {}).get(_REVISION)
    if commit != source.commit:
        raise SystemExit(f"{name} exists, built from {commit}, and not from {source.commit}\nfix: raise the version")
    return Image(repository, f"sha256:{hashlib.sha256(done.stdout).hexdigest()}")


def build(source: Source, repository: str, path: Path, options: Sequence[str] = (), scanner: str = SCANNER) -> None:
    """Build the image of every platform into an archive. `options` are for buildx."""
    command = [
        *("docker", "buildx", "build", "--platform", ",".join(PLATFORMS)),
        *("--tag", f"{repository}:{source.version}", "--output", f"type=oci,dest={path}"),
        *("--attest", "type=provenance,mode=max", "--attest", f"type=sbom,generator={scanner}"),
        *("--annotation", f"index:{_REVISION}={source.commit}"),
        *("--annotation", f"index:org.opencontainers.image.version={source.version}"),
        *options,
        str(source.folder),
    ]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise SystemExit(f"the image cannot be built: {' '.join(command)}")


def push(source: Source, repository: str, path: Path) -> Image:
    """Check an archive and push it, its version's tag last. Raises SystemExit with every reason not to."""
    digest, images = archive.read(path)
    problems = list(archive.complaints(images, source.commit, set(PLATFORMS), MOST_BYTES))
    if problems:
        raise SystemExit("\n".join(["the image must not be published:", *(f"- {one}" for one in problems)]))
    name = f"{repository}:{source.version}"
    copy = ("copy", "--all", "--preserve-digests", "--quiet", *_without_tls(repository, "--dest-"))
    done = _skopeo(*copy, f"oci-archive:{path}", f"docker://{name}")
    if done.returncode != 0:
        raise SystemExit(f"{name} cannot be pushed:\n{done.stderr.decode(errors='replace').strip()}")
    pushed = published(source, repository)
    if pushed is None or pushed.digest != digest:
        raise SystemExit(f"{name} was pushed as {digest}, and the registry has {pushed and pushed.digest}")
    return pushed


def _skopeo(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["skopeo", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _without_tls(repository: str, prefix: str = "--") -> list[str]:
    """A registry on this machine speaks HTTP, as for docker."""
    return [f"{prefix}tls-verify=false"] if repository.startswith(("localhost:", "127.0.0.1:")) else []
