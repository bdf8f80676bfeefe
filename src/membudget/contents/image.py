"""An image as it was read: its configuration and what each of its layers holds."""

import hashlib
from dataclasses import dataclass

from membudget.contents.layers.layer import Layer


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of how an image was made."""

    created_by: str
    is_empty: bool
    """Whether it made no layer."""
    created: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What its configuration says."""

    platform: str
    """`linux/amd64`, `linux/arm64/v8`."""
    diff_ids: tuple[str, ...]
    """Digests of the uncompressed layers, lowest first."""
    history: tuple[HistoryEntry, ...]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one layer as its store keeps them, compressed or plain."""

    digest: str
    size: int
    """Bytes as stored, compressed or not."""
    media_type: str


def describe_layer(blob: Blob) -> str:
    """A layer that is missing, in words. Foreign ones are wherever their manifest says (image specification 1.0)."""
    is_foreign = "foreign" in blob.media_type or "nondistributable" in blob.media_type
    return f"the layer {blob.digest}" + (", a foreign one: it is kept elsewhere" if is_foreign else "")


COMPRESSED_BY_US = "gzip -6"


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer, and how its store keeps it."""

    diff_id: str
    """Digest of its uncompressed archive: equal ones are the same layer."""
    layer: Layer
    stored_bytes: int | None = None
    """As it is stored where it was read, if that is as a registry would: compressed. None: the store has it plain."""
    media_type: str | None = None
    """Of what `stored_bytes` counts."""
    blob_digest: str | None = None

    @property
    def download_bytes(self) -> int | None:
        """As its store has it compressed, else as we did."""
        return self.stored_bytes if self.stored_bytes is not None else self.layer.gzip_bytes


@dataclass(frozen=True, slots=True)
class ImageContents:
    """What an image is made of."""

    config: ImageConfig
    config_json: bytes
    """The configuration as it was written."""
    layers: tuple[StoredLayer, ...]
    """Lowest first."""

    @property
    def config_digest(self) -> str:
        """What most engines name the image by."""
        return f"sha256:{hashlib.sha256(self.config_json).hexdigest()}"

    @property
    def file_bytes(self) -> int:
        """`image_size`: regular-file bytes over all layers."""
        return sum(stored.layer.file_bytes for stored in self.layers)

    @property
    def download_bytes(self) -> int | None:
        """`image_download_size`; None where its store keeps a layer plain, and nobody compressed it."""
        sizes = [stored.download_bytes for stored in self.layers]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def media_types(self) -> tuple[str, ...]:
        """Of what `download_bytes` counts, each once; "gzip -6" for layers that membudget compressed itself."""
        if self.download_bytes is None:
            return ()
        return tuple(dict.fromkeys(stored.media_type or COMPRESSED_BY_US for stored in self.layers))
