"""RSS of a container and its sidecars together."""

from dataclasses import replace

from membudget.core.quantities import MIB
from membudget.measure.figures import pod_peak_rss
from membudget.measure.probe.messages import ProbeReport, Reading, Series
from membudget.measure.trial import SidecarUse

GONE = Reading(None, "gone")
ORIGIN_NS = 10_000_000_000


def report(times_us: list[int], rss_mib: list[int], origin_ns: int | None = ORIGIN_NS) -> ProbeReport:
    rss = [value * MIB for value in rss_mib]
    series = Series(times_us, rss, rss, rss, rss)
    return ProbeReport(
        series, (), None, Reading(99 * MIB), Reading(2), GONE, GONE, GONE, GONE, GONE, origin_ns=origin_ns
    )


def test_peaks_that_do_not_meet_are_not_added() -> None:
    api = report([0, 100_000, 200_000], [50, 10, 10])
    logger = report([0, 100_000, 200_000], [5, 5, 30])
    assert pod_peak_rss(api.series, ORIGIN_NS, [logger], 0).value == 55 * MIB


def test_clocks_that_began_apart_are_brought_together() -> None:
    api = report([0, 100_000, 200_000], [50, 10, 10])
    logger = report([0, 100_000], [5, 30], ORIGIN_NS - 100_000_000)  # its 30 MiB are at the api's 50
    assert pod_peak_rss(api.series, ORIGIN_NS, [logger], 0).value == 80 * MIB


def test_a_sidecar_counts_while_it_is_there() -> None:
    api = report([0, 1_000_000, 2_000_000], [10, 10, 40])
    logger = report([900_000, 1_000_000], [30, 30])
    assert pod_peak_rss(api.series, ORIGIN_NS, [logger], 0).value == 40 * MIB


def test_a_missed_spike_makes_it_a_lower_bound() -> None:
    value = pod_peak_rss(report([0], [10]).series, ORIGIN_NS, [report([0], [5])], 7 * MIB)
    assert (value.value, value.at_most) == (15 * MIB, 22 * MIB)


def test_without_a_clock_or_a_sidecar_there_is_no_sum() -> None:
    one = report([0], [10])
    assert pod_peak_rss(one.series, ORIGIN_NS, [], 0).reason == "the image has no sidecars"
    assert pod_peak_rss(one.series, None, [one], 0).value is None
    assert pod_peak_rss(one.series, ORIGIN_NS, [report([0], [1], None)], 0).value is None
    assert pod_peak_rss(Series(), ORIGIN_NS, [one], 0).value is None


def test_a_sidecars_own_figures() -> None:
    use = SidecarUse.of("logger", report([0, 1], [3, 9]), 2)
    assert (use.peak_rss.value, use.peak_memory.value, use.oom_kills.value) == (9 * MIB, 99 * MIB, 2)
    unseen = SidecarUse.of("logger", replace(report([], []), kernel_peak=GONE, oom_kills=GONE), 2)
    assert (unseen.peak_rss.value, unseen.peak_memory.reason, unseen.oom_kills.reason) == (None, "gone", "gone")
