"""Coverage-guided fuzzing of the archive reader: `make fuzz`. Its corpus is replayed by every run of the unit tests.

Whatever an archive holds, reading it ends, in bounded memory, with what it holds or with UnreadableImage.
"""

import io
import sys
from pathlib import Path

from membudget.contents.image import ImageContents, Layer
from membudget.contents.origin import layer_origins
from membudget.contents.stores.archive import read_archive
from membudget.contents.stores.layer_reader import read_layer
from membudget.contents.summary import compare
from membudget.core.errors import UnreadableImage

CORPUS = Path(__file__).parent / "corpus"


def try_out(data: bytes) -> None:
    """What atheris calls."""
    read_both_ways(data)


def read_both_ways(data: bytes) -> list[ImageContents | Layer | UnreadableImage]:
    """What `data` holds as an archive of images, and what it holds as a layer."""
    read: list[ImageContents | Layer | UnreadableImage] = []
    try:
        for image in read_archive(io.BufferedReader(io.BytesIO(data)), lambda _: None, is_trusted=False):
            read.append(image.contents)
            if isinstance(image.contents, ImageContents):
                side = (image.contents, layer_origins(image.contents.config))
                compare(side, side)
    except UnreadableImage as error:
        read.append(error)
    try:
        read.append(read_layer(io.BytesIO(data)))
    except UnreadableImage as error:
        read.append(error)
    return read


def main() -> None:
    """Let atheris look for inputs that reach new lines."""
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *sys.argv[1:], str(CORPUS)], try_out)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
