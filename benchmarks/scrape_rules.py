"""What limits the rules of VPA and KRR recommend from samples of a container's working set. Pure.

The rules, as their sources have them, with their defaults:

- VPA's recommender keeps one peak for each 24 h, in a histogram whose weights halve every 24 h. It takes the 90th
  percentile, which is the end of a bucket, and adds 15 %. It recommends no less than 250 MiB. After an OOM kill, it
  takes for the peak what was used and 100 MiB more, or 20 % if that is more.
  https://github.com/kubernetes/autoscaler/tree/master/vertical-pod-autoscaler/pkg/recommender: `logic/recommender.go`,
  `model/aggregations_config.go`, `model/container.go`, `util/histogram.go`, `util/histogram_options.go`
- KRR's strategy `simple` takes the largest sample and adds 15 %. It recommends no less than 100 MB.
  https://github.com/robusta-dev/krr: `robusta_krr/strategies/simple.py`, `robusta_krr/core/models/config.py`

Both read the working set as cAdvisor defines it: usage minus inactive file pages. They see what a scrape saw.
"""

import bisect
import math
from collections.abc import Sequence

from membudget.core.quantities import MIB

MARGIN = 0.15
VPA_FLOOR_BYTES = 250 * MIB
KRR_FLOOR_BYTES = 100 * 10**6
_PERCENTILE = 0.9
_HALF_LIFE_DAYS = 1.0
_FIRST_BUCKET_BYTES = 10**7
_BUCKET_GROWTH = 1.05
_BUMP_BYTES, _BUMP = 100 * MIB, 1.2


def scraped(time_us: Sequence[int], value: Sequence[int], every_s: float) -> list[int]:
    """Return what a scrape every `every_s` seconds sees of a series: at each time, the latest value.

    The first scrape is half an interval after the series begins, as it is on average.
    """
    every_us = round(every_s * 1_000_000)
    at = range(time_us[0] + every_us // 2, time_us[-1] + 1, every_us)
    return [value[bisect.bisect_right(time_us, now) - 1] for now in at]


def krr(samples: Sequence[int]) -> int:
    """Return the bytes that KRR recommends, without its floor."""
    return math.ceil(max(samples) * (1 + MARGIN))


def vpa(daily_peaks: Sequence[int]) -> int:
    """Return the bytes that VPA recommends as its target, without its floor. The latest day is the last one."""
    newest = len(daily_peaks) - 1
    weights: dict[int, float] = {}
    for day, peak in enumerate(daily_peaks):
        bucket = _bucket(peak)
        weights[bucket] = weights.get(bucket, 0.0) + 0.5 ** ((newest - day) / _HALF_LIFE_DAYS)
    wanted, seen = _PERCENTILE * sum(weights.values()), 0.0
    for bucket in sorted(weights):
        seen += weights[bucket]
        if seen >= wanted:
            break
    return math.ceil(_bucket_start(bucket + 1) * (1 + MARGIN))


def vpa_after_oom(limit_bytes: int) -> int:
    """Return what VPA recommends on the day of an OOM kill at a limit, without its floor."""
    return vpa([max(limit_bytes + _BUMP_BYTES, round(limit_bytes * _BUMP))])


def _bucket(size_bytes: int) -> int:
    """Return the bucket of a size. Each is 5 % wider than the one before."""
    if size_bytes < _FIRST_BUCKET_BYTES:
        return 0
    widths = size_bytes * (_BUCKET_GROWTH - 1) / _FIRST_BUCKET_BYTES + 1
    return math.floor(math.log(widths) / math.log(_BUCKET_GROWTH))


def _bucket_start(bucket: int) -> float:
    return _FIRST_BUCKET_BYTES * (_BUCKET_GROWTH**bucket - 1) / (_BUCKET_GROWTH - 1)
