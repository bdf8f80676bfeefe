"""The workload of an image that has none in the budgets file."""

from typing import ClassVar, Literal

from membudget.budgets.fields import LONGEST_DURATION_MS, DurationMs
from membudget.budgets.workload_parts import ANY_PORT, Action, Readiness, WorkloadKind, WorkloadPart
from membudget.core.quantities import format_duration

DEFAULT_IDLE_MS = 5000


class AutoWorkload(WorkloadKind, Action):
    """Run a one-shot container to its end. Wait until a service is ready, and leave it idle.

    A container counts as a service if it listens on a port, or if its HEALTHCHECK says healthy, and if it then rests.
    """

    no_readiness = "without a workload, a port in EXPOSE or a HEALTHCHECK, nothing says when it is ready"
    is_service = True
    may_end: ClassVar[bool] = True
    kind: Literal["auto"] = "auto"
    """Run a one-shot to its end, or leave a service idle once it is ready."""
    idle: DurationMs = DEFAULT_IDLE_MS
    """How long a service is left idle once it is ready."""

    @property
    def label(self) -> str:
        """The workload in a few words."""
        return f"none: runs to its end, or is a service that is left idle for {format_duration(self.idle)}"

    @property
    def parts(self) -> tuple[WorkloadPart, ...]:
        """The container's own process."""
        return (WorkloadPart("steady", self),)

    @property
    def phase_names(self) -> list[str]:
        """The phases of a service. A one-shot has the first one, or "steady" alone if the image declares nothing."""
        return ["start-up", "steady", "settle"]

    def of_image(self, ports: tuple[int, ...], *, has_healthcheck: bool) -> "AutoWorkload":
        """Return the workload for an image that declares these ports (EXPOSE), and maybe a HEALTHCHECK."""
        # Constructed without validation, which takes durations as text.
        if has_healthcheck:
            return _DeclaredService.model_construct(idle=self.idle, awaited=_HEALTHY)
        return _DeclaredService.model_construct(idle=self.idle, awaited=_LISTENING) if ports else self

    def awaiting(self, ready: Readiness) -> "AutoWorkload":
        """Return the workload for a service that is ready then."""
        return _DeclaredService.model_construct(idle=self.idle, awaited=ready)


_HEALTHY = Readiness.model_construct(healthcheck=True, timeout=LONGEST_DURATION_MS)
_LISTENING = ANY_PORT.model_copy(update={"timeout": LONGEST_DURATION_MS})
"""A one-shot may inherit EXPOSE or HEALTHCHECK from its base image. So readiness has no timeout but the trial's."""


class _DeclaredService(AutoWorkload):
    """The workload of an image that says how to tell that it is ready."""

    awaited: Readiness

    @property
    def readiness(self) -> Readiness | None:
        """When the service is ready."""
        return self.awaited
