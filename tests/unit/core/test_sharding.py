"""Shards: parsed as written, balanced, the same for everybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.errors import ConfigurationError
from membudget.core.sharding import Shard, assign

names = st.lists(st.text("abc", min_size=1), min_size=1, max_size=40, unique=True)


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "1/257", "a/b", "1/2/3", " 1/2", "-1/2", "²/3"])
def test_what_is_no_shard_is_said(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a shard; write the second of three as 2/3"):
        Shard.parse(text)


def test_a_shard_is_written_as_it_is_read() -> None:
    assert Shard.parse("2/3") == Shard(2, 3)
    assert str(Shard.parse("2/3")) == "2/3"


@pytest.mark.thorough
@given(names, st.dictionaries(st.text("abc", min_size=1), st.integers(0, 10**6)), st.integers(1, 10))
def test_each_image_is_in_one_part_and_parts_are_about_as_long(
    images: list[str], durations: dict[str, int], shards: int
) -> None:
    parts = assign(images, durations, shards)
    assert sorted(name for part in parts for name in part) == sorted(images)
    assert all(parts)
    assert len(parts) == min(shards, len(images))
    for part in parts:
        assert part == [name for name in images if name in part]
    assert assign(images, durations, shards) == parts
    if all(name in durations for name in images):
        loads = [sum(max(1, durations[name]) for name in part) for part in parts]
        longest = max(max(1, durations[name]) for name in images)
        assert max(loads) - min(loads) <= longest


def test_the_longest_goes_alone() -> None:
    assert assign(["a", "b", "c", "d"], {"c": 100, "a": 10, "b": 10, "d": 10}, 2) == [["c"], ["a", "b", "d"]]


@pytest.mark.thorough
def test_ten_thousand_images() -> None:
    images = [f"image{number}" for number in range(10_000)]
    parts = assign(images, {}, 100)
    assert {len(part) for part in parts} == {100}
