"""An image and all that was found out of it: not bounded, and not kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from membudget.contents.image import ImageContents
from membudget.contents.layer_stack import NO_FILE, LayerStack
from membudget.contents.origin import LayerOrigin
from membudget.contents.packages.finder import claims_of, parsed_facts, read_bytes
from membudget.contents.packages.package import Claims, Package

MOST_DOCUMENT_BYTES = 64 << 20
"""Of all layers together."""


@dataclass(frozen=True, slots=True)
class MergedImage:
    """Layers, the file system they make, and the packages in it."""

    contents: ImageContents
    stack: LayerStack
    origins: tuple[LayerOrigin, ...]
    """Of each layer."""
    facts: Mapping[str, object]
    """What was found in large files that are live, by path (see `packages.facts`)."""
    claims: Claims
    """Whose each file is."""
    packages: tuple[Package, ...]
    """Largest first."""

    @property
    def own_layers(self) -> frozenset[int]:
        """Those that did not come with the base image: all, where it is not known."""
        return frozenset(number for number, origin in enumerate(self.origins) if not origin.is_inherited)


def merge(contents: ImageContents, origins: Sequence[LayerOrigin]) -> MergedImage:
    """Merge an image's layers and find its packages. Raises UnreadableImage, and DamagedLayer."""
    stack = LayerStack([stored.layer for stored in contents.layers])
    documents = LiveDocuments(contents, stack)
    facts = parsed_facts(documents)
    claims = claims_of(documents, facts, stack)
    return MergedImage(contents, stack, tuple(origins), facts, claims, claims.summed())


class LiveDocuments(Mapping[str, bytes]):
    """The documents that are live, by path: each is unpacked when it is asked for, and not kept.

    They are given out within a bound for the image. Beyond it there are none, although their paths are here:
    `get` has its default for them.
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
        """A document, which counts each time. Raises KeyError, and DamagedLayer."""
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
