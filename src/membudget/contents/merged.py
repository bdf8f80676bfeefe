"""An image with everything that is derived from it. It is not limited in size, and never stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from membudget.contents.image import ImageContents
from membudget.contents.layer_stack import NO_FILE, LayerStack
from membudget.contents.origin import LayerOrigin
from membudget.contents.packages.finder import claims_of, parsed_facts, read_bytes
from membudget.contents.packages.package import Claims, Package

MOST_DOCUMENT_BYTES = 64 << 20
"""The limit for all layers together."""


@dataclass(frozen=True, slots=True)
class MergedImage:
    """An image's layers, the file system that they form, and its packages."""

    contents: ImageContents
    stack: LayerStack
    origins: tuple[LayerOrigin, ...]
    """The origin of each layer."""
    facts: Mapping[str, object]
    """What was found in large live files, by path (see `packages.finder`)."""
    claims: Claims
    """The package of each file."""
    packages: tuple[Package, ...]
    """The packages, largest first."""

    @property
    def own_layers(self) -> frozenset[int]:
        """Return the layers that are not from the base image. If that is unknown, return all layers."""
        return frozenset(number for number, origin in enumerate(self.origins) if not origin.is_inherited)


def merge(contents: ImageContents, origins: Sequence[LayerOrigin]) -> MergedImage:
    """Merge an image's layers and find its packages. Raises UnreadableImage and DamagedLayer."""
    stack = LayerStack([stored.layer for stored in contents.layers])
    documents = LiveDocuments(contents, stack)
    facts = parsed_facts(documents)
    claims = claims_of(documents, facts, stack)
    return MergedImage(contents, stack, tuple(origins), facts, claims, claims.summed())


class LiveDocuments(Mapping[str, bytes]):
    """The live documents by path. They are unpacked on every access, and not kept.

    All accesses together may return `MOST_DOCUMENT_BYTES`. After that, documents are missing although their paths are
    not, so that `get` returns its default.
    """

    def __init__(self, image: ImageContents, stack: LayerStack) -> None:
        self._left = MOST_DOCUMENT_BYTES
        self._layers = {
            path: stored.layer
            for number, stored in enumerate(image.layers)
            for path in stored.layer.packed_documents
            if isinstance(node := stack.find(path), int) and node != NO_FILE and stack.layer(node) == number
        }

    def __getitem__(self, path: str) -> bytes:
        """Unpack a document, which counts towards the limit. Raises KeyError beyond it, and DamagedLayer."""
        layer = self._layers[path]
        most = read_bytes(path)
        document = layer.document(path, min(most, self._left + 1))
        if document is None or len(document) > self._left:
            self._left = 0
            raise KeyError(path)
        self._left -= len(document)
        return document

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __contains__(self, path: object) -> bool:
        return path in self._layers
