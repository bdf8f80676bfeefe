"""Budgets for slow growth: how much a metric may grow since a release or a date, over many commits."""

import re
from typing import Literal

from membudget.budgets.budget_tables import DurationBudget, LatencyBudget, SizeBudget, Switchable
from membudget.budgets.fields import DurationMs, FileModel, LatencyUs, Percent, Since, SizeBytes

LAST_TAG = "last-tag"
_DAYS = re.compile(r"([1-9]\d{0,3})d", re.ASCII)


def days_of(since: str) -> int | None:
    """Return the number of days in "90d". None for a tag, a branch or a commit."""
    found = _DAYS.fullmatch(since)
    return int(found[1]) if found is not None else None


class _Creep(FileModel):
    since: Since
    """Where the growth starts: "last-tag" (the newest tag of the branch), a number of days like "90d", or a branch, tag
    or commit."""
    percent: Percent
    """Growth since then in percent. Growth counts only if it exceeds `percent` and `floor`."""
    on: Literal["fail", "warn"] = "fail"
    """Whether larger growth fails the check, or only warns."""


class SizeCreep(_Creep):
    """The tolerated growth of a metric in bytes since a release or a date."""

    floor: SizeBytes
    """Growth in bytes that is always tolerated."""


class DurationCreep(_Creep):
    """The tolerated growth of a metric in time since a release or a date."""

    floor: DurationMs
    """Growth in time that is always tolerated."""


class LatencyCreep(_Creep):
    """The tolerated growth of a latency since a release or a date."""

    floor: LatencyUs
    """Growth in time that is always tolerated."""


class CreepingSize(SizeBudget):
    """A budget for a metric in bytes. "null" turns off a key that a default sets."""

    creep: Switchable[SizeCreep] = None
    """The tolerated growth since a release or a date, over many commits (docs/history.md)."""


class CreepingDuration(DurationBudget):
    """A budget for a metric in time. "null" turns off a key that a default sets."""

    creep: Switchable[DurationCreep] = None
    """The tolerated growth since a release or a date, over many commits (docs/history.md)."""


class CreepingLatency(LatencyBudget):
    """A budget for a latency. "null" turns off a key that a default sets."""

    creep: Switchable[LatencyCreep] = None
    """The tolerated growth since a release or a date, over many commits (docs/history.md)."""
