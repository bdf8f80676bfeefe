import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.measure.probe.messages import Series
from membudget.report.timeline import downsample

LENGTH = 300
STEADY = 2**20
spikes = st.dictionaries(st.integers(0, LENGTH - 1), st.integers(0, 2**40), max_size=5)
"""Few and one sample wide: what a thinner series would miss first."""


def column(changes: dict[int, int]) -> list[int]:
    return [changes.get(place, STEADY) for place in range(LENGTH)]


@pytest.mark.thorough
@given(spikes, spikes, st.integers(6, LENGTH + 1))
def test_fewer_points_and_every_extreme(rss: dict[int, int], usage: dict[int, int], most: int) -> None:
    places = list(range(LENGTH))
    series = Series(places, places, column(rss), places, column(usage))

    fewer = downsample(series, most)

    assert len(fewer.time_us) <= most
    assert fewer.time_us == sorted(set(fewer.time_us))
    assert (fewer.time_us[0], fewer.time_us[-1]) == (0, LENGTH - 1)
    assert (min(fewer.rss_bytes), max(fewer.rss_bytes)) == (min(series.rss_bytes), max(series.rss_bytes))
    assert (min(fewer.usage_bytes), max(fewer.usage_bytes)) == (min(series.usage_bytes), max(series.usage_bytes))
    for place, moment in enumerate(fewer.time_us):  # a sample is taken whole
        assert fewer.anon_bytes[place] == fewer.working_set_bytes[place] == moment
        assert fewer.rss_bytes[place] == series.rss_bytes[moment]
        assert fewer.usage_bytes[place] == series.usage_bytes[moment]


def test_each_stretch_shows_its_own_spike() -> None:
    high_and_low = {30: 9 * STEADY, 250: 7 * STEADY, 251: 0}
    series = Series(list(range(LENGTH)), column({}), column(high_and_low), column({}), column({}))
    kept = downsample(series, 60)
    assert {30, 250, 251} <= set(kept.time_us)


def test_a_short_series_is_left_alone() -> None:
    series = Series([1, 2], [1, 2], [1, 2], [1, 2], [1, 2])
    assert downsample(series) is series
    empty = Series([], [], [], [], [])
    assert downsample(empty) is empty
