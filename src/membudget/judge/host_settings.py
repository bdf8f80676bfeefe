"""Whether the machine stayed the same while it was measured on."""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

from membudget.measure.probe.messages import HostSettings
from membudget.measure.trial import Trial

_LABELS = {
    "transparent_huge_pages": "transparent huge pages",
    "swap_bytes": "swap",
    "swappiness": "swappiness",
    "numa_nodes": "NUMA nodes",
}


def settings_change(trials: Sequence[Trial]) -> str | None:
    """What of the machine's settings changed between `trials`, in words; None when nothing did.

    Memory figures from before and after cannot be compared: transparent huge pages alone can make ten times the RSS.
    """
    for earlier, later in pairwise(trials):
        for field in dataclasses.fields(HostSettings):
            before, after = getattr(earlier.settings, field.name), getattr(later.settings, field.name)
            if before != after:
                return f"the machine's settings changed between trials: {_LABELS[field.name]} from {before} to {after}"
    return None
