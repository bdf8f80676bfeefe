"""What a trial's container is given: plain values, whatever file or variable they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from membudget.budgets.container import DEFAULT_CPUS
from membudget.measure.pod_plan import PodPlan


@dataclass(frozen=True, slots=True)
class TrialInputs:
    """Beside image, limit and workload."""

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Values that nobody is to see."""
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    """Sizes in bytes, by path."""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    """The folder whose content is copied in, by path."""
    read_only: bool = False
    user: str | None = None
    cpus: int = DEFAULT_CPUS
    is_network_open: bool = False
    pod: PodPlan | None = None
    """What runs around it; None: nothing."""
    checkout: Path | None = None
    """Where the files are that a workload names; None: there are none."""
    files: tuple[str, ...] | None = None
    """What names the content of all that it is given of the repository; None: that is not known."""
