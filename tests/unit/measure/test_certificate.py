import pytest

from membudget.core.quantities import KIB, MIB
from membudget.measure.certificate import Conclusion, certify, resolution_bytes
from membudget.measure.probe.messages import SamplingEffort
from membudget.report.findings import certificate_words

EFFORT = SamplingEffort(50, 5, 10_000, 84 * MIB, 4_000_000, 40_000, 1, 2_000)


@pytest.mark.parametrize(
    ("cpus", "peak", "resolution"), [(2, 20 * MIB, 512 * KIB), (2, 200 * MIB, 2 * MIB), (64, 200 * MIB, 16 * MIB)]
)
def test_the_resolution_is_a_batch_a_cpu_or_one_percent(cpus: int, peak: int, resolution: int) -> None:
    assert resolution_bytes(cpus, peak) == resolution


def test_what_sampling_saw_is_confirmed() -> None:
    certificate = certify(100, 2, 84 * MIB, 84 * MIB + 500 * KIB, EFFORT)
    assert (certificate.conclusion, certificate.missed_bytes) == (Conclusion.CONFIRMED, 0)
    assert "mark confirms the sampled peak" in certificate_words(certificate)


def test_a_spike_that_only_the_kernel_saw_is_missed() -> None:
    certificate = certify(100, 2, 20 * MIB, 84 * MIB, EFFORT)
    assert (certificate.conclusion, certificate.missed_bytes) == (Conclusion.SPIKE_MISSED, 64 * MIB)
    assert "64.0 MiB more than any sample" in certificate_words(certificate)


def test_the_runtimes_own_start_is_no_spike() -> None:
    assert certify(100, 2, 1 * MIB, 7 * MIB, EFFORT).conclusion is Conclusion.CONFIRMED


@pytest.mark.parametrize(("sampled", "mark"), [(None, 20 * MIB), (20 * MIB, None), (None, None)])
def test_without_both_nothing_is_confirmed(sampled: int | None, mark: int | None) -> None:
    certificate = certify(100, 2, sampled, mark, EFFORT)
    assert certificate.conclusion is Conclusion.UNCONFIRMED
    assert "not confirmed" in certificate_words(certificate)


def test_a_mark_that_the_engine_read_before_the_end_confirms_nothing() -> None:
    assert certify(1, 2, 84 * MIB, 84 * MIB, None).conclusion is Conclusion.UNCONFIRMED
