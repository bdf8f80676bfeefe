"""VPA's and KRR's rules: what they recommend from samples."""

import pytest

from benchmarks.scrape_rules import krr, scraped, vpa, vpa_after_oom
from membudget.core.quantities import MIB


def test_a_scrape_sees_the_latest_value() -> None:
    times = [0, 400_000, 1_400_000, 1_600_000, 2_900_000]
    assert scraped(times, [1, 2, 3, 4, 5], every_s=1) == [2, 3, 4]


def test_a_spike_between_two_scrapes_is_not_seen() -> None:
    times = [0, 10_000_000, 10_200_000, 30_000_000]
    assert max(scraped(times, [20, 221, 20, 20], every_s=15)) == 20
    assert max(scraped(times, [20, 221, 20, 20], every_s=0.1)) == 221


def test_krr_adds_its_buffer_to_the_largest_sample() -> None:
    assert krr([40 * MIB, 100 * MIB, 60 * MIB]) == 115 * MIB


@pytest.mark.parametrize(
    ("peak", "bucket_end"),
    [
        (0, 10_000_000),
        (9_999_999, 10_000_000),
        (10_000_000, 20_500_000),  # widths: 10 MB, 10.5 MB, 11.025 MB, ...
        (20_499_999, 20_500_000),
        (20_500_001, 31_525_000),
        (31_525_001, 43_101_250),
    ],
)
def test_vpa_rounds_a_peak_up_to_the_end_of_its_bucket(peak: int, bucket_end: int) -> None:
    assert vpa([peak]) == pytest.approx(bucket_end * 1.15, abs=1)


def test_vpa_forgets_old_peaks() -> None:
    old_peak = [300 * MIB] + [50 * MIB] * 3
    assert vpa(old_peak) < 100 * MIB
    assert vpa([50 * MIB] * 3 + [300 * MIB]) > 300 * MIB


def test_vpa_ignores_a_peak_of_one_day_among_eight_only_if_it_is_old() -> None:
    for day, counts in ((7, True), (5, True), (4, False), (0, False)):
        peaks = [50 * MIB] * 8
        peaks[day] = 300 * MIB
        assert (vpa(peaks) > 300 * MIB) is counts


def test_vpa_adds_100_mib_or_a_fifth_after_an_oom_kill() -> None:
    assert vpa_after_oom(20 * MIB) == vpa([120 * MIB])
    assert vpa_after_oom(1000 * MIB) == vpa([1200 * MIB])
