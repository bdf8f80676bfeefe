"""Images made by hand, from the archives of their layers."""

import io
import json
from collections.abc import Sequence

from membudget.contents.image import ImageContents, Layer, StoredLayer
from membudget.contents.layer_stack import LayerStack
from membudget.contents.merged import MergedImage, merge
from membudget.contents.origin import LayerOrigin
from membudget.contents.stores.archive import read_archive
from membudget.contents.stores.layer_reader import read_layer
from membudget.contents.stores.manifest import parse_config
from tests.unit.contents.archives import diff_id


def layer(archive: bytes) -> Layer:
    """A layer as it is read."""
    return read_layer(io.BytesIO(archive))


def stack(*archives: bytes) -> LayerStack:
    """Layers merged."""
    return LayerStack([layer(archive) for archive in archives])


def contents(*archives: bytes, created_by: Sequence[str] = ()) -> ImageContents:
    """An image of these layers."""
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"diff_ids": [diff_id(archive) for archive in archives]},
        "history": [{"created_by": text} for text in created_by],
    }
    text = json.dumps(config).encode()
    layers = tuple(StoredLayer(diff_id(archive), layer(archive)) for archive in archives)
    return ImageContents(parse_config(text), text, layers)


def merged(*archives: bytes, made_by: Sequence[str] = (), inherited: int = 0) -> MergedImage:
    """An image of these layers, and what made them; the lowest came with its base."""
    texts = made_by or [f"RUN step {number}" for number in range(len(archives))]
    origins = [LayerOrigin(text, number < inherited, (number + 1, number + 1)) for number, text in enumerate(texts)]
    return merge(contents(*archives), origins)


def read(archive: bytes, *, is_trusted: bool = True) -> list[ImageContents]:
    """The images of an archive, all of which have to be readable."""
    images = read_archive(io.BufferedReader(io.BytesIO(archive)), lambda _: None, is_trusted=is_trusted)
    found = [image.contents for image in images]
    assert all(isinstance(one, ImageContents) for one in found), found
    return [one for one in found if isinstance(one, ImageContents)]
