from hypothesis import given
from hypothesis import strategies as st

from membudget.analysis.downsample import downsample
from membudget.trials.probe_messages import Series

sizes = st.integers(0, 2**40)


@given(st.lists(st.tuples(sizes, sizes, sizes, sizes), max_size=400), st.integers(10, 100))
def test_fewer_points_and_every_extreme(rows: list[tuple[int, int, int, int]], most: int) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    series = Series(list(range(len(rows))), *columns)

    fewer = downsample(series, most)

    assert len(fewer.time_us) <= max(most, 6)
    assert fewer.time_us == sorted(set(fewer.time_us))
    for name in ("rss_bytes", "usage_bytes"):
        assert max(getattr(fewer, name), default=None) == max(getattr(series, name), default=None)
        assert min(getattr(fewer, name), default=None) == min(getattr(series, name), default=None)
    for place, moment in enumerate(fewer.time_us):  # a point is taken whole
        assert fewer.anon_bytes[place] == series.anon_bytes[moment]
        assert fewer.working_set_bytes[place] == series.working_set_bytes[moment]
    if rows:
        assert (fewer.time_us[0], fewer.time_us[-1]) == (0, len(rows) - 1)


def test_a_short_series_is_left_alone() -> None:
    series = Series([1, 2], [1, 2], [1, 2], [1, 2], [1, 2])
    assert downsample(series) is series
