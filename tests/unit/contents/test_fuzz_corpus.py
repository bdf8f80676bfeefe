"""What fuzzing found worth keeping is read again by every run of the tests."""

import pytest

from tests.fuzz.image_archive import CORPUS, try_out

FILES = sorted(CORPUS.iterdir())


def test_there_is_a_corpus() -> None:
    assert len(FILES) > 50


@pytest.mark.parametrize("number", range(10))
def test_reading_it_ends_with_contents_or_an_error_of_ours(number: int) -> None:
    for path in FILES[number::10]:
        try_out(path.read_bytes())
