"""What `docker save` writes, made by hand."""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from typing import Literal

Layout = Literal["legacy", "oci"]


def tar(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """An archive of these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, content in members:
            info.size = len(content) if info.isreg() else info.size
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return stream.getvalue()


def file(name: str, content: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    """A regular file."""
    return tarfile.TarInfo(name), content


def special(name: str, kind: bytes, target: str = "", size: int = 0) -> tuple[tarfile.TarInfo, bytes]:
    """Anything else: a folder, a link, a device. Its header may state a size all the same; no content follows."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info, b""


def diff_id(layer: bytes) -> str:
    """The digest of an uncompressed layer."""
    return f"sha256:{hashlib.sha256(layer).hexdigest()}"


def export(
    images: Sequence[Sequence[bytes]],
    layout: Layout = "legacy",
    stored: dict[bytes, bytes] | None = None,
    labels: Sequence[str] = (),
) -> bytes:
    """The export of images, each a list of uncompressed layers. `stored` says how a layer is stored, if not plainly.

    `labels`: one for each image, which makes their configurations differ.
    """
    members: dict[str, bytes] = {}
    manifest = []
    for number, layers in enumerate(images):
        config = configuration(layers, labels[number] if labels else None)
        config_name = _name(layout, config, "{}.json")
        members[config_name] = config
        names = []
        for layer in layers:
            name = _name(layout, layer, "{}/layer.tar")
            members[name] = (stored or {}).get(layer, layer)
            names.append(name)
        manifest.append({"Config": config_name, "RepoTags": None, "Layers": names})
    members["manifest.json"] = json.dumps(manifest).encode()
    return tar([file(name, content) for name, content in members.items()])


def configuration(layers: Sequence[bytes], label: str | None = None) -> bytes:
    """An image's configuration."""
    document: dict[str, object] = {"rootfs": {"type": "layers", "diff_ids": [diff_id(layer) for layer in layers]}}
    if label is not None:
        document["config"] = {"Labels": {"label": label}}
    return json.dumps(document).encode()


def _name(layout: Layout, content: bytes, legacy: str) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return legacy.format(digest) if layout == "legacy" else f"blobs/sha256/{digest}"
