"""What the budgets file does not say about a container, and where membudget took it from instead."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from membudget.core.files import Stored
from membudget.measure.listening import Listening


class AutoEnd(StrEnum):
    """How the run of an image without a workload ended."""

    ENDED = "ended"
    """The container ran to its end."""
    HEALTHY = "healthy"
    """The service was healthy for a while. Whether it was idle is unknown: its HEALTHCHECK takes CPU time itself."""
    RESTED = "rested"
    """The service was ready, and then idle."""
    BUSY = "busy"
    """The service was ready, but never idle. The trial's timeout ended it."""
    KEPT_RUNNING = "kept_running"
    """The container neither ended nor listened on a port, and was idle."""


@dataclass(frozen=True, slots=True)
class Assumed(Stored):
    """What membudget found out about a container because the budgets file does not say it."""

    end: AutoEnd | None = None
    """None if the budgets file has a workload."""
    listening: tuple[Listening, ...] = ()
    """Where the service listened."""
    port: int | None = None
    """The port that requests were sent to. None if the budgets file names one, or if there were none."""
    exposed: tuple[int, ...] = ()
    """The TCP ports that the image declares (EXPOSE)."""


@dataclass(frozen=True, slots=True)
class ComposeVariables:
    """The variables that a compose file sets for a service which is measured without that file."""

    file: str
    service: str
    names: tuple[str, ...]


UnsetVariables = Callable[[], ComposeVariables | None]
"""Looks for the variables of an image's service. Called when a trial has failed, because it reads a file."""
