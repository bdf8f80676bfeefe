"""Small images as BuildKit exports them: an archive with one image for each platform, and what is attested of each."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from release import archive, image

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_STATEMENT = "application/vnd.in-toto+json"
REVISION = "org.opencontainers.image.revision"
PACKAGES = {"deb": "apt", "pypi": "docker"}


class Layout:
    """Blobs, which become an archive."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def add(self, data: bytes, media_type: str, **more: object) -> dict[str, object]:
        """Add a blob; its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self._blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def add_json(self, document: Mapping[str, object], media_type: str, **more: object) -> dict[str, object]:
        """Add a document, in one spelling."""
        return self.add(json.dumps(document).encode(), media_type, **more)

    def files(self, index: dict[str, object]) -> dict[str, bytes]:
        """The files of the layout of an index."""
        top = json.dumps({"schemaVersion": 2, "manifests": [index]}).encode()
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": top}
        return files | {f"blobs/sha256/{digest}": data for digest, data in self._blobs.items()}

    def write(self, path: Path, index: dict[str, object]) -> None:
        """Write the archive."""
        with tarfile.open(path, "w") as archived:
            for name, data in self.files(index).items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archived.addfile(member, io.BytesIO(data))


def write(
    path: Path,
    commit: str,
    *,
    provenance: str | None = None,
    packages: Mapping[str, str] = PACKAGES,
    platforms: tuple[str, ...] = image.PLATFORMS,
    content: bytes = b"content",
) -> None:
    """Write an image of two platforms; `provenance` is another commit than the one of the index."""
    layout = Layout()
    images, attestations = [], []
    for platform in platforms:
        system, architecture = platform.split("/")
        made = _image(layout, system, architecture, content)
        images.append(made)
        attestations.append(_attestations(layout, str(made["digest"]), provenance or commit, packages))
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [*images, *attestations],
        "annotations": {REVISION: commit},
    }
    layout.write(path, layout.add_json(index, _INDEX))


def write_base(folder: Path, roots: Mapping[str, Path]) -> str:
    """Write a folder with an image of each root file system, by architecture; the digest of its index."""
    layout = Layout()
    images = [_image_of(layout, "linux", name, root.read_bytes(), {"Cmd": ["bash"]}) for name, root in roots.items()]
    index = layout.add_json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": images}, _INDEX)
    for name, data in layout.files(index).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(index["digest"])


def _image(layout: Layout, system: str, architecture: str, content: bytes) -> dict[str, object]:
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as packed:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        packed.addfile(member, io.BytesIO(content))
    return _image_of(layout, system, architecture, unpacked.getvalue(), {})


def _image_of(
    layout: Layout, system: str, architecture: str, layer: bytes, settings: Mapping[str, object]
) -> dict[str, object]:
    platform = {"os": system, "architecture": architecture}
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    config = {**platform, "config": settings, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": layout.add_json(config, _CONFIG),
        "layers": [layout.add(gzip.compress(layer, 1, mtime=0), _LAYER)],
    }
    return layout.add_json(manifest, _MANIFEST, platform=platform)


def _attestations(layout: Layout, of: str, commit: str, packages: Mapping[str, str]) -> dict[str, object]:
    """As BuildKit 0.13 stores them: see docs/attestations in its repository."""
    named = [
        {
            "name": name,
            "versionInfo": "1.0",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": f"pkg:{kind}/{name}@1.0"}],
        }
        for kind, name in packages.items()
    ]
    metadata = {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"revision": commit}}}
    statements = {archive.SBOM: {"packages": named}, f"{archive.PROVENANCE}v0.2": {"metadata": metadata}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": layout.add_json({"os": "unknown", "architecture": "unknown"}, _CONFIG),
        "layers": [
            layout.add_json({"predicateType": kind, "predicate": predicate}, _STATEMENT)
            for kind, predicate in statements.items()
        ],
    }
    annotations = {"vnd.docker.reference.digest": of, "vnd.docker.reference.type": "attestation-manifest"}
    unknown = {"os": "unknown", "architecture": "unknown"}
    return layout.add_json(manifest, _MANIFEST, annotations=annotations, platform=unknown)
