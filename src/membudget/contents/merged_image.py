"""An image and all that was found out of it: not bounded, and not kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from membudget.contents.image_contents import ImageContents
from membudget.contents.layer_origin import LayerOrigin
from membudget.contents.layer_stack import NO_FILE, LayerStack
from membudget.contents.package import Claims, Package
from membudget.contents.package_documents import is_wanted
from membudget.contents.packages import claims_of, parsed_facts


@dataclass(frozen=True, slots=True)
class MergedImage:
    """Layers, the file system they make, and the packages in it."""

    contents: ImageContents
    stack: LayerStack
    origins: tuple[LayerOrigin, ...]
    """Of each layer."""
    facts: Mapping[str, object]
    """What was found in large files that are live, by path (see `package_facts`)."""
    claims: Claims
    """Whose each file is."""
    packages: tuple[Package, ...]
    """Largest first."""

    @property
    def own_layers(self) -> frozenset[int]:
        """Those that did not come with the base image: all, where it is not known."""
        return frozenset(number for number, origin in enumerate(self.origins) if not origin.is_inherited)


def merge(contents: ImageContents, origins: Sequence[LayerOrigin]) -> MergedImage:
    """Merge an image's layers and find its packages. Raises UnreadableImage, and ValueError for a damaged cache."""
    stack = LayerStack([stored.layer for stored in contents.layers])
    live = _live_documents(contents, stack)
    facts = parsed_facts({path: document for path, document in live.items() if not is_wanted(path, 0)})
    claims = claims_of(live, facts, stack)
    return MergedImage(contents, stack, tuple(origins), facts, claims, claims.summed())


def _live_documents(image: ImageContents, stack: LayerStack) -> dict[str, bytes]:
    """The documents that are live, by path."""
    documents = {}
    for number, stored in enumerate(image.layers):
        for path in stored.layer.packed_documents:
            node = stack.find(path)
            if isinstance(node, int) and node != NO_FILE and stack.layer(node) == number:
                document = stored.layer.document(path)
                if document is not None:
                    documents[path] = document
    return documents
