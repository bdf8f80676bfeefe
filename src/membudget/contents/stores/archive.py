"""Reads images from the stream of an archive: `docker save` in its legacy and OCI layouts, and OCI archives.

The stream may be an engine's export, which has no length and cannot seek. It is read once from start to end, and only
the content of `Layer` is kept. The type of each member is detected from its first bytes, because archives name their
layers in many ways.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from membudget.contents.image import EntryKind, ImageConfig, ImageContents, Layer, StoredLayer, normal_path
from membudget.contents.stores.layer_reader import read_layer
from membudget.contents.stores.manifest import (
    DEEPEST_INDEX,
    LARGEST_DOCUMENT,
    Selection,
    choose_manifest,
    parse_config,
    parse_docker_manifest,
    parse_manifest,
)
from membudget.contents.stores.streams import Compression, Expansion, Peekable, RawStream, decompressed, sniff
from membudget.contents.stores.tar_reader import BLOCK, Content, Readable, TarReader
from membudget.core.errors import UnreadableImage

_BUFFER = 1 << 20
_MOST_MEMBERS = 100_000
_MOST_DOCUMENTS_BYTES = 64 << 20
_ANY = Selection()
_MEDIA_TYPE = "application/vnd.oci.image.layer.v1."

KnownLayer = Callable[[str], Layer | None]
"""Returns the stored layer of a DiffID, or None."""


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """An image of an archive. A broken image does not affect the others."""

    names: tuple[str, ...]
    contents: ImageContents | UnreadableImage


@dataclass(frozen=True, slots=True)
class _Stored:
    """A member that contains a layer."""

    layer: Layer
    compression: Compression
    size: int
    digest: str | None
    """The digest of its uncompressed archive, if it was computed."""


@dataclass(slots=True)
class _Members:
    """The members of an archive, by name."""

    documents: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, _Stored | UnreadableImage] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def layer(self, name: str) -> _Stored:
        """Return a layer by name. Raises UnreadableImage."""
        found = self.layers.get(self.links.get(name, name))
        if found is None:
            raise UnreadableImage(f"the archive lacks the layer {name}")
        if isinstance(found, UnreadableImage):
            raise found
        return found

    def document(self, name: str) -> bytes:
        """Return a document by name. Raises UnreadableImage."""
        if name not in self.documents:
            raise UnreadableImage(f"the archive lacks the document {name}")
        return self.documents[name]


def read_archive(
    stream: Peekable,
    known: KnownLayer,
    *,
    is_trusted: bool,
    compresses: bool = False,
    selection: Selection = _ANY,
) -> tuple[ArchivedImage, ...]:
    """Return all images of an archive. Layers whose names contain a known digest are not read again.

    `is_trusted` means that the layers match their DiffIDs, as in an engine's own export. The layers of other archives
    are hashed. If `compresses` is set, the compressed size of plain layers is determined. Raises UnreadableImage if no
    image is found.
    """
    outer = Expansion()
    plain, around = decompressed(stream, outer)
    read_member = partial(
        _read_member,
        expansion=Expansion(None if around is Compression.NONE else outer),
        is_trusted=is_trusted,
        compresses=compresses,
    )
    members = _members(plain, known, read_member)
    if "manifest.json" in members.documents:
        listed = parse_docker_manifest(members.documents["manifest.json"])
        return tuple(ArchivedImage(image.names, _joined(members, image.config, image.layers)) for image in listed)
    if "index.json" in members.documents:
        return (_oci_image(members, selection),)
    raise UnreadableImage("not an archive of images: it contains neither a manifest.json nor an index.json")


def _members(
    stream: Readable, known: KnownLayer, read_member: Callable[[Peekable, int], _Stored | UnreadableImage]
) -> _Members:
    members = _Members()
    reader = TarReader(stream)
    documents_bytes = 0
    for number, header in enumerate(reader):
        if number > _MOST_MEMBERS:
            raise UnreadableImage(f"the archive has more than {_MOST_MEMBERS:,} members")
        name = normal_path(header.name)
        if header.kind is EntryKind.SYMLINK:  # the legacy layout stores a repeated layer once
            members.links[name] = normal_path(f"{name.rpartition('/')[0]}/{header.target}")
        elif header.kind is EntryKind.HARD_LINK:
            members.links[name] = normal_path(header.target)
        if header.kind is not EntryKind.FILE:
            continue
        if (seen := known(_digest_in(name))) is not None:
            members.layers[name] = _Stored(seen, Compression.NONE, header.stored, _digest_in(name))
            continue
        content = io.BufferedReader(_Member(reader.content), _BUFFER)
        start = content.peek(BLOCK)[:BLOCK]
        if start[:1] in (b"{", b"[") and start[257:262] != b"ustar":
            documents_bytes += header.stored
            if header.stored <= LARGEST_DOCUMENT and documents_bytes <= _MOST_DOCUMENTS_BYTES:
                members.documents[name] = content.read()
        elif header.stored >= BLOCK or not header.stored or _is_compressed(start):
            members.layers[name] = read_member(content, header.stored)
    return members


def _digest_in(name: str) -> str:
    """Return the digest in the name of a blob."""
    algorithm, _, digits = name.removeprefix("blobs/").partition("/")
    return f"{algorithm}:{digits}"


def _is_compressed(start: bytes) -> bool:
    try:
        return sniff(start) is not Compression.NONE
    except UnreadableImage:
        return True


def _read_member(
    content: Peekable, size: int, expansion: Expansion, *, is_trusted: bool, compresses: bool
) -> _Stored | UnreadableImage:
    try:
        plain, compression = decompressed(content, expansion)
        compresses = compresses and compression is Compression.NONE
        if is_trusted:
            return _Stored(read_layer(plain, compresses=compresses), compression, size, None)
        hashed = HashedReader(plain)
        layer = read_layer(io.BufferedReader(hashed, _BUFFER), compresses=compresses)
        return _Stored(layer, compression, size, hashed.digest)
    except UnreadableImage as error:
        return error


class _Member(RawStream):
    """The content of a member, as a file object."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content

    def take(self, size: int) -> bytes:
        """Return the next bytes of the member."""
        return self._content.read(size)


class HashedReader(RawStream):
    """A stream that computes the digest of its content while it is read."""

    def __init__(self, stream: Readable) -> None:
        super().__init__()
        self._stream = stream
        self._hash = hashlib.sha256()

    def take(self, size: int) -> bytes:
        """Return the next bytes, and add them to the digest."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        """Return the digest of everything that was read so far."""
        return f"sha256:{self._hash.hexdigest()}"


def _joined(members: _Members, config_name: str, layer_names: tuple[str, ...]) -> ImageContents | UnreadableImage:
    """Return an image with the DiffIDs of its layers. Manifest and configuration list them in the same order."""
    try:
        document = members.document(config_name)
        config = parse_config(document)
        if len(config.diff_ids) != len(layer_names):
            raise UnreadableImage(
                f"the manifest lists {len(layer_names)} layers, but the configuration {len(config.diff_ids)}"
            )
        return ImageContents(config, document, tuple(_stored_layers(members, config, layer_names)))
    except UnreadableImage as error:
        return error


def _stored_layers(members: _Members, config: ImageConfig, names: tuple[str, ...]) -> Iterator[StoredLayer]:
    for diff_id, name in zip(config.diff_ids, names, strict=True):
        stored = members.layer(name)
        if stored.digest is not None and stored.digest != diff_id:
            raise UnreadableImage(f"the layer {name} does not match its DiffID {diff_id}")
        digest = _digest_in(name)
        if stored.compression is Compression.NONE:
            yield StoredLayer(diff_id, stored.layer, blob_digest=digest)
        else:
            yield StoredLayer(diff_id, stored.layer, stored.size, f"{_MEDIA_TYPE}{stored.compression}", digest)


def _oci_image(members: _Members, selection: Selection) -> ArchivedImage:
    """Return the image of an OCI archive (OCI image layout specification)."""
    document = members.document("index.json")
    names = () if selection.tag is None else (selection.tag,)
    for _ in range(DEEPEST_INDEX):
        chosen = choose_manifest(document, selection)
        selection = Selection(selection.platform)
        document = members.document(_blob_name(chosen.digest))
        if not chosen.is_index:
            config, layers = parse_manifest(document)
            blobs = tuple(_blob_name(blob.digest) for blob in layers)
            return ArchivedImage(names, _joined(members, _blob_name(config.digest), blobs))
    raise UnreadableImage(f"the index is nested more than {DEEPEST_INDEX} levels deep")


def _blob_name(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/', 1)}"
