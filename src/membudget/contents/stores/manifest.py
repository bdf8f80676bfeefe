"""Parses the documents that describe an image. They are untrusted: their size is limited, and errors say what is wrong.

OCI image specification 1.1 (config, manifest, index), Docker's image manifest version 2 schema 2, and the
`manifest.json` of `docker save`.
"""

import json
import platform as python_platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from membudget.contents.image import Blob, HistoryEntry, ImageConfig
from membudget.core.errors import UnreadableImage

LARGEST_DOCUMENT = 8_000_000
"""In bytes. Registries accept manifests of up to 4 MiB (distribution specification, "Pushing Manifests")."""
DEEPEST_INDEX = 3
"""The depth of indexes, which may list indexes."""
MOST_LAYERS = 2_000
LARGEST_BLOB_BYTES = 1 << 50

_DIGEST = r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"
_ATTESTATION = "vnd.docker.reference.type"
_INDEX_TYPES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}

Digest = Annotated[str, Field(pattern=_DIGEST)]


class _Document(BaseModel):
    """A part of an untrusted document. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Platform(_Document):
    os: str = "unknown"
    architecture: str = "unknown"
    variant: str | None = None

    @property
    def name(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


class _Rootfs(_Document):
    diff_ids: Annotated[tuple[Digest, ...], Field(max_length=MOST_LAYERS)] | None = None


class _History(_Document):
    created_by: str = ""
    created: str = ""
    comment: str = ""
    empty_layer: bool = False


class _Container(_Document):
    labels: Annotated[dict[str, str] | None, Field(alias="Labels")] = None


class _Config(_Platform):
    rootfs: _Rootfs
    history: Annotated[tuple[_History, ...], Field(max_length=10 * MOST_LAYERS)] | None = None
    config: _Container | None = None


class _Descriptor(_Document):
    media_type: Annotated[str, Field(alias="mediaType")] = ""
    digest: Digest
    size: Annotated[int, Field(ge=0, le=LARGEST_BLOB_BYTES)]
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None


class _Manifest(_Document):
    config: _Descriptor
    layers: Annotated[tuple[_Descriptor, ...], Field(max_length=MOST_LAYERS)]


class _Index(_Document):
    manifests: Annotated[tuple[_Descriptor, ...], Field(max_length=MOST_LAYERS)]


class _Saved(_Document):
    config: Annotated[str, Field(alias="Config")]
    names: Annotated[tuple[str, ...] | None, Field(alias="RepoTags")] = None
    layers: Annotated[tuple[str, ...] | None, Field(alias="Layers", max_length=MOST_LAYERS)] = None


@dataclass(frozen=True, slots=True)
class ChosenManifest:
    """The entry of an index for a platform."""

    digest: str
    size: int
    is_index: bool
    """Whether the entry is an index too."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects one of several images."""

    platform: str | None = None
    """Such as "linux/arm64". None selects this machine's platform, or the only one."""
    tag: str | None = None
    """The tag, in a layout with several images."""


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image in the `manifest.json` of `docker save`."""

    config: str
    """The name of the member with the configuration."""
    names: tuple[str, ...]
    layers: tuple[str, ...]
    """The names of the members with the layers, lowest first."""


def parse_config(data: bytes) -> ImageConfig:
    """Parse an image's configuration. Raises UnreadableImage."""
    config = _parsed(_Config, data, "configuration")
    history = tuple(
        HistoryEntry(one.created_by, one.empty_layer, one.created, one.comment) for one in config.history or ()
    )
    labels = (config.config.labels if config.config is not None else None) or {}
    return ImageConfig(config.name, config.rootfs.diff_ids or (), history, labels)


def parse_docker_manifest(data: bytes) -> tuple[SavedImage, ...]:
    """Return the images of a `manifest.json`. Raises UnreadableImage."""
    try:
        listed = TypeAdapter(Annotated[tuple[_Saved, ...], Field(max_length=MOST_LAYERS)]).validate_python(_json(data))
    except ValidationError as error:
        raise UnreadableImage(f"the manifest.json is not understood: {_first(error)}") from error
    return tuple(SavedImage(image.config, image.names or (), image.layers or ()) for image in listed)


def parse_manifest(data: bytes) -> tuple[Blob, tuple[Blob, ...]]:
    """Return the configuration and the layers of a manifest. Raises UnreadableImage."""
    content = _json(data)
    if isinstance(content, dict) and content.get("schemaVersion") == 1:
        raise UnreadableImage("the manifest has schema 1, which contains no sizes; push the image again")
    manifest = _validated(_Manifest, content, "manifest")
    return _blob(manifest.config), tuple(map(_blob, manifest.layers))


def is_index(data: bytes) -> bool:
    """Return whether a document is an index or a manifest list. Raises UnreadableImage."""
    content = _json(data)
    return isinstance(content, dict) and ("manifests" in content or content.get("mediaType") in _INDEX_TYPES)


def choose_manifest(data: bytes, selection: Selection) -> ChosenManifest:
    """Return the selected entry of an index, ignoring attestations. Raises UnreadableImage."""
    platform, tag = selection.platform, selection.tag
    index = _validated(_Index, _json(data), "index")
    images = [one for one in index.manifests if not _is_attestation(one)]
    if tag is not None:
        images = [one for one in images if tag in _names(one)]
        if not images:
            raise UnreadableImage(f"the index has no image {tag!r}")
    if not images:
        raise UnreadableImage("the index lists no image")
    wanted = platform or f"linux/{_ARCHITECTURES.get(python_platform.machine(), python_platform.machine())}"
    matching = [one for one in images if one.platform is not None and _matches(one.platform.name, wanted)]
    if matching:
        chosen = matching[0]
    elif len(images) == 1 and (platform is None or images[0].platform is None):
        chosen = images[0]
    else:
        there = ", ".join(one.platform.name if one.platform else "no platform" for one in images[:20])
        raise UnreadableImage(
            f"the index has no image for {wanted}; it has {there}", fix="choose one of them with --platform"
        )
    return ChosenManifest(chosen.digest, chosen.size, chosen.media_type in _INDEX_TYPES)


def _is_attestation(one: _Descriptor) -> bool:
    return _ATTESTATION in (one.annotations or {}) or (one.platform is not None and one.platform.os == "unknown")


def _names(one: _Descriptor) -> Iterator[str]:
    for key in ("org.opencontainers.image.ref.name", "io.containerd.image.name"):
        name = (one.annotations or {}).get(key)
        if name:
            yield name
            yield name.rpartition(":")[2]


def _matches(name: str, wanted: str) -> bool:
    """Return whether a platform is the selected one. The variant is compared only if it was given."""
    return name == wanted or name.startswith(f"{wanted}/")


def _blob(one: _Descriptor) -> Blob:
    return Blob(one.digest, one.size, one.media_type)


_Model = TypeVar("_Model", bound=_Document)


def _parsed(model: type[_Model], data: bytes, what: str) -> _Model:
    return _validated(model, _json(data), what)


def _validated(model: type[_Model], content: object, what: str) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise UnreadableImage(f"the {what} is not understood: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


def _json(data: bytes) -> object:
    if len(data) > LARGEST_DOCUMENT:
        raise UnreadableImage(
            f"a document of the image has {len(data):,} bytes; at most {LARGEST_DOCUMENT:,} are allowed"
        )
    try:
        content: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableImage("a document of the image is not JSON") from error
    return content


def is_digest(text: str) -> bool:
    """Return whether a text is a digest with an algorithm that images use."""
    return re.match(_DIGEST, text) is not None
