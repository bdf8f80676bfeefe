"""Helper processes: small programs of ours that work where membudget itself may not be.

A helper reads one JSON object a line and answers each with one. It runs as a local process when membudget sees the
engine's machine as it is, and in a container when it does not (inside the action, or without root).
"""

from typing import Protocol

from membudget.errors import EnvironmentFault


class HelperFailed(EnvironmentFault):
    """A helper ended, or did not answer in time."""


class Helper(Protocol):
    """A running helper. `close` ends it, whatever state it is in."""

    def send(self, line: str) -> None:
        """Give it one line. Raises HelperFailed when it is gone."""

    def receive(self, timeout_s: float) -> str:
        """Its next line. Raises TimeoutError, or HelperFailed when it is gone."""

    def close(self) -> None:
        """End it. Never raises."""
