"""What fuzzing found worth keeping is read again by every run of the tests."""

import pytest

from membudget.contents.image import ImageContents, Layer
from membudget.core.errors import UnreadableImage
from tests.fuzz.image_archive import CORPUS, read_both_ways

FILES = sorted(CORPUS.iterdir())


def test_there_is_a_corpus() -> None:
    assert len(FILES) > 50


@pytest.mark.thorough
@pytest.mark.parametrize("number", range(10))
def test_reading_it_ends_with_contents_or_an_error_of_ours(number: int) -> None:
    for path in FILES[number::10]:
        read = read_both_ways(path.read_bytes())
        assert all(isinstance(one, ImageContents | Layer | UnreadableImage) for one in read)
        assert [str(one) for one in read if isinstance(one, UnreadableImage) and not str(one)] == []
        assert isinstance(read[-1], Layer | UnreadableImage), "it is read as a layer as well"
