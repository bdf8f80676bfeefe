from dataclasses import replace

from membudget.measure.probe.messages import Series
from membudget.measure.probe.readings import MemoryReading


def test_a_sample_fills_the_columns_of_its_names() -> None:
    series = Series()
    series.append(5, MemoryReading(anon_bytes=3, shmem_bytes=2, inactive_file_bytes=4, usage_bytes=10))
    assert series.column("rss_bytes") == series.rss_bytes == [5]
    assert (series.time_us, series.anon_bytes, series.working_set_bytes, series.usage_bytes) == ([5], [3], [6], [10])
    assert series.is_whole


def test_some_samples_are_picked_out_of_every_column() -> None:
    series = Series([1, 2, 3], [1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12])
    assert series.only([0, 2]) == Series([1, 3], [1, 3], [4, 6], [7, 9], [10, 12])


def test_a_column_that_every_kernel_fills_must_not_be_empty_or_short() -> None:
    whole = Series([1, 2], [1, 2], [1, 2], [1, 2], [1, 2])
    assert whole.is_whole
    assert not replace(whole, rss_bytes=[]).is_whole
    assert not replace(whole, usage_bytes=[1]).is_whole
