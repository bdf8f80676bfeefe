"""Peaks without the phases that are not judged."""

from dataclasses import replace

from membudget.core.quantities import MIB
from membudget.measure.figures import judged_part
from membudget.measure.probe.messages import PhaseReading, ProbeReport, Reading, SamplingEffort, Series

RSS = [10 * MIB, 90 * MIB, 30 * MIB, 20 * MIB]
NOTHING = Reading(None, "unknown")
REPORT = ProbeReport(
    series=Series([0, 1_000_000, 2_000_000, 3_000_000], RSS, RSS, RSS, RSS),
    phases=(
        PhaseReading("start-up", 0, 500_000, Reading(12 * MIB), 11 * MIB),
        PhaseReading("warm-up", 500_000, 1_500_000, Reading(95 * MIB), 94 * MIB),
        PhaseReading("steady", 1_500_000, 3_500_000, Reading(33 * MIB), 32 * MIB),
    ),
    effort=SamplingEffort(50, 4, 10_000, 94 * MIB, 4_000_000, 40_000, 1, 2_000),
    kernel_peak=Reading(95 * MIB),
    oom_kills=NOTHING,
    limit_hits=NOTHING,
    refaulted_bytes=NOTHING,
    swap_peak=NOTHING,
    stalled_us=NOTHING,
    cpu_usage_us=NOTHING,
)


def test_a_trial_that_is_judged_as_a_whole_keeps_everything() -> None:
    part = judged_part(REPORT, frozenset())
    assert part.series == REPORT.series
    assert (part.kernel_peak.value, part.largest_usage_bytes) == (95 * MIB, 94 * MIB)


def test_a_warm_up_counts_to_no_peak() -> None:
    part = judged_part(REPORT, {"warm-up"})
    assert part.series.rss_bytes == [10 * MIB, 30 * MIB, 20 * MIB]
    assert part.series.time_us == [0, 2_000_000, 3_000_000]
    assert part.kernel_peak == Reading(33 * MIB)
    assert (part.certified_peak_bytes, part.largest_usage_bytes) == (33 * MIB, 32 * MIB)


def test_usage_that_no_rss_was_read_for_certifies_nothing() -> None:
    """As while memory is unmapped: the sample's usage is still whole, its RSS is not (`sampler`)."""
    usage = [10 * MIB, 90 * MIB, 33 * MIB, 20 * MIB]
    steady = replace(REPORT.phases[2], largest_usage_bytes=21 * MIB)
    seen = replace(REPORT, series=replace(REPORT.series, usage_bytes=usage), phases=(*REPORT.phases[:2], steady))
    part = judged_part(seen, {"warm-up"})
    assert (part.certified_peak_bytes, part.largest_usage_bytes) == (33 * MIB, 21 * MIB)


def test_without_a_word_of_the_phases_the_samples_usage_stands_for_them() -> None:
    phases = tuple(replace(phase, largest_usage_bytes=None) for phase in REPORT.phases)
    assert judged_part(replace(REPORT, phases=phases), {"warm-up"}).largest_usage_bytes == 30 * MIB


def test_where_the_kernels_mark_cannot_start_anew_the_peak_is_sampled_and_says_so() -> None:
    no_mark = Reading(None, "it did not rise")
    phases = (*REPORT.phases[:2], replace(REPORT.phases[2], kernel_peak=no_mark))
    part = judged_part(replace(REPORT, phases=phases), {"warm-up"})
    assert part.kernel_peak == Reading(32 * MIB, note="sampled, lower bound: it did not rise")
    assert part.certified_peak_bytes is None  # the whole trial's mark would be the warm-up's


def test_a_trial_that_got_no_further_has_no_peak() -> None:
    part = judged_part(replace(REPORT, phases=REPORT.phases[:2], series=Series()), {"warm-up", "start-up"})
    assert part.kernel_peak == Reading(None, "no judged phase was reached")
    assert part.series.rss_bytes == []
