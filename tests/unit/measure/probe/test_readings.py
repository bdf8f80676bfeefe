from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.probe.readings import (
    MemoryReading,
    cpu_usage_us,
    keyed_value,
    limit_hits,
    oom_kills,
    reading_v1,
    reading_v2,
    refaulted_bytes,
    stalled_us,
)

RECORDED = Path(__file__).parent / "recorded"


def test_v2_as_the_kernel_wrote_it() -> None:
    folder = RECORDED / "v2"
    reading = reading_v2((folder / "memory.stat").read_bytes(), int((folder / "memory.current").read_bytes()))
    assert reading == MemoryReading(anon_bytes=21_037_056, shmem_bytes=0, inactive_file_bytes=0, usage_bytes=21_614_592)
    assert reading.rss_bytes == 21_037_056


def test_v1_counts_descendants_and_calls_anonymous_memory_rss() -> None:
    stat = (RECORDED / "v1/memory.stat").read_bytes()
    reading = reading_v1(stat, 25_341_952)
    assert (reading.anon_bytes, reading.shmem_bytes) == (23_752_704, 4096)
    assert reading.rss_bytes == 23_752_704 + 4096


def test_oom_kills_of_both_versions() -> None:
    assert oom_kills((RECORDED / "v2/memory.events").read_bytes()) == 1
    assert oom_kills((RECORDED / "v1/memory.oom_control").read_bytes()) == 2


def test_a_working_set_is_never_negative() -> None:
    assert MemoryReading(0, 0, inactive_file_bytes=10, usage_bytes=5).working_set_bytes == 0


@pytest.mark.thorough
@given(st.dictionaries(st.from_regex(rb"[a-z_]{1,20}", fullmatch=True), st.integers(0, 2**63), min_size=1))
def test_each_key_of_a_flat_keyed_file_is_found(values: dict[bytes, int]) -> None:
    text = b"".join(b"%s %d\n" % item for item in values.items())
    assert {key: keyed_value(text, key) for key in values} == values


def test_a_key_is_not_found_in_the_name_or_the_value_of_another() -> None:
    with pytest.raises(KeyError):
        keyed_value(b"active_anon 1\nanon_thp 2\n", b"anon")


@pytest.mark.parametrize("data", [b"anon", b"anon 1", b"anon x\n", b"anon 1 2\n", b""])
def test_a_file_cut_in_half_is_an_error(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        keyed_value(data, b"anon")


def test_what_happened_at_the_limit() -> None:
    assert limit_hits(b"low 0\nhigh 0\nmax 874\noom 1\noom_kill 1\n") == 874
    assert refaulted_bytes(b"workingset_refault_anon 1\nworkingset_refault_file 2\n", 2) == 3 * 4096
    assert refaulted_bytes((RECORDED / "v1/memory.stat").read_bytes(), 1) >= 0


def test_pressure_is_the_time_in_which_some_process_waited() -> None:
    pressure = (
        b"some avg10=0.00 avg60=0.00 avg300=0.00 total=312310\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=185947\n"
    )
    assert stalled_us(pressure) == 312_310


@pytest.mark.parametrize("data", [b"", b"some avg10=0.00 total=31", b"full total=1\n", b"some total=\n", b"some\n"])
def test_pressure_that_cannot_be_read_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"whole line|literal"):
        stalled_us(data)


def test_cpu_time() -> None:
    assert cpu_usage_us(b"usage_usec 85195\nuser_usec 1\nsystem_usec 2\n") == 85_195
