"""An image's configuration and manifest, as far as they say what it is made of (OCI image specification 1.1)."""

from dataclasses import dataclass


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
    """A layer as it is stored."""

    digest: str
    size: int
    """Bytes as stored, compressed or not."""
    media_type: str


def describe_layer(blob: Blob) -> str:
    """A layer that is missing, in words. Foreign ones are wherever their manifest says (image specification 1.0)."""
    is_foreign = "foreign" in blob.media_type or "nondistributable" in blob.media_type
    return f"the layer {blob.digest}" + (", a foreign one: it is kept elsewhere" if is_foreign else "")
