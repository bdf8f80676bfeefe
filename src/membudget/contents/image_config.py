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


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image whose layers can be read one by one."""

    config: ImageConfig
    image_id: str
    """Digest of the configuration."""
    layers: tuple[Blob, ...]
    """In the order of `config.diff_ids`."""
