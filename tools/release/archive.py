"""A built image: an archive in the OCI image layout, with one image for each platform and what is attested of each.

BuildKit puts an attestation manifest beside each image into the index; its layers are in-toto statements
(https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SBOM = "https://spdx.dev/Document"
PROVENANCE = "https://slsa.dev/provenance/"
_ATTESTS = "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """The image of one platform."""

    platform: str
    """Such as linux/arm64."""
    digest: str
    download_bytes: int
    """All compressed layers."""
    packages: frozenset[tuple[str, str, str]]
    """What the SBOM names: type (deb, pypi), name, version."""
    commit: str | None
    """The commit that the provenance names."""


def read(path: Path) -> tuple[str, list[BuiltImage]]:
    """Read an archive: the digest of its index, and its images."""
    with tarfile.open(path) as archive:
        (top,) = json.loads(_bytes(archive, "index.json"))["manifests"]
        index = _blob(archive, top["digest"])
        attested = {
            one["annotations"][_ATTESTS]: list(_statements(archive, one["digest"]))
            for one in index["manifests"]
            if _ATTESTS in one.get("annotations", {})
        }
        images = [
            BuiltImage(
                platform=f"{one['platform']['os']}/{one['platform']['architecture']}",
                digest=one["digest"],
                download_bytes=sum(layer["size"] for layer in _blob(archive, one["digest"])["layers"]),
                packages=frozenset(_packages(attested.get(one["digest"], []))),
                commit=_commit(attested.get(one["digest"], [])),
            )
            for one in index["manifests"]
            if _ATTESTS not in one.get("annotations", {})
        ]
    return top["digest"], images


def complaints(images: list[BuiltImage], commit: str, platforms: set[str], most_bytes: int) -> Iterator[str]:
    """Why images must not be published."""
    if (found := {one.platform for one in images}) != platforms:
        yield f"the platforms are {', '.join(sorted(found))}, and have to be {', '.join(sorted(platforms))}"
    for one in images:
        types = {kind for kind, _, _ in one.packages}
        if not types >= {"deb", "pypi"}:
            yield f"{one.platform}: the SBOM names no {' and no '.join(sorted({'deb', 'pypi'} - types))} packages"
        if one.commit != commit:
            yield f"{one.platform}: the provenance names {one.commit or 'no commit'}, and not {commit}"
        if one.download_bytes > most_bytes:
            yield f"{one.platform}: {one.download_bytes / 1e6:.1f} MB to download; at most {most_bytes / 1e6:.0f} MB"


def _statements(archive: tarfile.TarFile, digest: str) -> Iterator[dict[str, Any]]:
    for layer in _blob(archive, digest)["layers"]:
        yield _blob(archive, layer["digest"])


def _packages(statements: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """By package URL (pkg:deb/debian/apt@3.0.4?arch=amd64), which has the type, too."""
    for statement in statements:
        if statement["predicateType"] != SBOM:
            continue
        for package in statement["predicate"]["packages"]:
            for reference in package.get("externalRefs", ()):
                if reference["referenceType"] == "purl":
                    kind = reference["referenceLocator"].removeprefix("pkg:").partition("/")[0]
                    yield kind, package["name"], package["versionInfo"]


def _commit(statements: list[dict[str, Any]]) -> str | None:
    """What the builder took from git: BuildKit's metadata in a provenance of SLSA 0.2 or 1."""
    for statement in statements:
        if statement["predicateType"].startswith(PROVENANCE) and (found := _revision(statement["predicate"])):
            return found
    return None


def _revision(value: object) -> str | None:
    """The revision of the first `vcs` anywhere in a document: where it is differs between versions of SLSA."""
    if isinstance(value, list):
        return next((found for one in value if (found := _revision(one))), None)
    if not isinstance(value, dict):
        return None
    vcs = value.get("vcs")
    if isinstance(vcs, dict) and isinstance(vcs.get("revision"), str):
        return str(vcs["revision"])
    return next((found for one in value.values() if (found := _revision(one))), None)


def _blob(archive: tarfile.TarFile, digest: str) -> dict[str, Any]:
    """A JSON document. Raises SystemExit if it is not what its digest says."""
    data = _bytes(archive, f"blobs/{digest.replace(':', '/')}")
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise SystemExit(f"{archive.name!r} is damaged: {digest} has another content")
    document = json.loads(data)
    assert isinstance(document, dict)
    return document


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()
