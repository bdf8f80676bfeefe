from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.trials.readings import MemoryReading, oom_kills, parse_flat_keyed, reading_v1, reading_v2

RECORDED = Path(__file__).parent / "recorded"


def test_v2_as_the_kernel_wrote_it() -> None:
    folder = RECORDED / "v2"
    reading = reading_v2((folder / "memory.stat").read_bytes(), (folder / "memory.current").read_bytes())
    assert reading == MemoryReading(anon_bytes=21_037_056, shmem_bytes=0, inactive_file_bytes=0, usage_bytes=21_614_592)
    assert reading.rss_bytes == 21_037_056


def test_v1_counts_descendants_and_calls_anonymous_memory_rss() -> None:
    stat = (RECORDED / "v1/memory.stat").read_bytes()
    reading = reading_v1(stat, b"25341952\n")
    assert (reading.anon_bytes, reading.shmem_bytes) == (23_752_704, 4096)
    assert reading.rss_bytes == 23_752_704 + 4096


def test_oom_kills_of_both_versions() -> None:
    assert oom_kills((RECORDED / "v2/memory.events").read_bytes()) == 1
    assert oom_kills((RECORDED / "v1/memory.oom_control").read_bytes()) == 2


def test_a_working_set_is_never_negative() -> None:
    assert MemoryReading(0, 0, inactive_file_bytes=10, usage_bytes=5).working_set_bytes == 0


@given(st.dictionaries(st.from_regex(rb"[a-z_]{1,20}", fullmatch=True), st.integers(0, 2**63)))
def test_flat_keyed_files(values: dict[bytes, int]) -> None:
    text = b"".join(b"%s %d\n" % item for item in values.items())
    assert parse_flat_keyed(text) == values


@pytest.mark.parametrize("data", [b"anon", b"anon x\n", b"anon 1 2\n"])
def test_a_file_cut_in_half_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"argument|literal"):
        parse_flat_keyed(data)
