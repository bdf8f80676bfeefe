"""How far a trial's sampled peak can be trusted: the largest sampled usage beside the kernel's own mark."""

from dataclasses import dataclass
from enum import StrEnum

from membudget.core.quantities import MIB, format_size
from membudget.core.stored import Stored
from membudget.measure.probe.messages import SamplingEffort
from membudget.measure.probe.readings import BATCH_BYTES_PER_CPU

_RELATIVE = 100
"""One percent of the mark, where that is more."""
RUNTIME_START_BYTES = 8 * MIB
"""Below it a mark may be the container runtime's own start (runc #4021), which nobody is to blame for."""


class Conclusion(StrEnum):
    """What the comparison says."""

    CONFIRMED = "confirmed"
    """Sampling saw what the kernel saw, to the resolution."""
    SPIKE_MISSED = "spike_missed"
    """The kernel saw more: the sampled peaks are lower bounds."""
    UNCONFIRMED = "unconfirmed"
    """There is no mark of the kernel's, or no sample, to compare; or the mark is as old as the engine's last look."""


@dataclass(frozen=True, slots=True)
class Certificate(Stored):
    """The evidence for one trial's sampled peaks."""

    conclusion: Conclusion
    rate_hz: int
    """Looks a second at rest; up to four times as many, 1000 at the most, while memory moved."""
    resolution_bytes: int
    """A difference that means nothing: charging in batches, and one percent."""
    largest_sampled_bytes: int | None
    """Usage, with page cache and kernel memory, as the mark is."""
    kernel_peak_bytes: int | None
    missed_bytes: int
    """By how much the mark exceeds the largest sampled usage, where that is more than the resolution; else 0."""
    effort: SamplingEffort | None
    """None: the engine sampled."""
    repeated: bool = False
    """Whether this trial was run again at a higher rate, because a spike was missed before."""

    @property
    def words(self) -> str:
        """The conclusion for people."""
        match self.conclusion:
            case Conclusion.CONFIRMED:
                return f"sampled peak confirmed by the kernel's mark to {format_size(self.resolution_bytes)}"
            case Conclusion.SPIKE_MISSED:
                return f"a spike was missed: the kernel saw {format_size(self.missed_bytes)} more than any sample"
            case Conclusion.UNCONFIRMED:
                return "sampled peak not confirmed: there is no last mark of the kernel's to compare it with"


def certify(
    rate_hz: int, cpus: int, largest_sampled_bytes: int | None, kernel_peak_bytes: int | None,
    effort: SamplingEffort | None,
) -> Certificate:  # fmt: skip
    """Compare what was sampled with what the kernel saw, on a machine of `cpus`."""
    resolution = resolution_bytes(cpus, kernel_peak_bytes or 0)
    missed = 0
    if largest_sampled_bytes is None or kernel_peak_bytes is None or effort is None:
        conclusion = Conclusion.UNCONFIRMED
    else:
        gap = kernel_peak_bytes - largest_sampled_bytes
        missed = gap if gap > resolution and kernel_peak_bytes > RUNTIME_START_BYTES else 0
        conclusion = Conclusion.SPIKE_MISSED if missed else Conclusion.CONFIRMED
    return Certificate(
        conclusion, rate_hz, resolution, largest_sampled_bytes, kernel_peak_bytes, missed, effort
    )  # fmt: skip


def resolution_bytes(cpus: int, kernel_peak_bytes: int) -> int:
    """How far two exact observers may differ."""
    return max(cpus * BATCH_BYTES_PER_CPU, kernel_peak_bytes // _RELATIVE)
