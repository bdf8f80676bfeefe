"""A shorter series that still shows every extreme."""

from membudget.measure.probe.messages import Series

MOST_POINTS = 2000


def downsample(series: Series, most_points: int = MOST_POINTS) -> Series:
    """At most `most_points` samples of `series`: the first, the last, and of each stretch its RSS low and high."""
    count = len(series.time_us)
    if count <= most_points:
        return series
    stretches = max(1, (most_points - 2) // 4)
    kept = {0, count - 1}
    for number in range(stretches):
        indices = range(number * count // stretches, (number + 1) * count // stretches)
        for column in (series.rss_bytes, series.usage_bytes):
            kept.add(min(indices, key=column.__getitem__))
            kept.add(max(indices, key=column.__getitem__))
    order = sorted(kept)
    return Series(
        *(
            [column[index] for index in order]
            for column in (
                series.time_us,
                series.anon_bytes,
                series.rss_bytes,
                series.working_set_bytes,
                series.usage_bytes,
            )
        )
    )
