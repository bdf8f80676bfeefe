"""A broken rule for runtimes, with the figures of its sum."""

import re
from dataclasses import dataclass
from enum import StrEnum

from membudget.budgets.runtimes import RuntimeRule
from membudget.measure.runtimes.runtime import Runtime, SettingPlace

MARGIN = 0.05
"""The part of the limit that a fitting ceiling leaves free: what is beside the heap varies between trials."""
_NUMBER_OF_WORKERS = ("--workers", "-w", "WEB_CONCURRENCY")
"""How gunicorn, uvicorn and puma are told a number of workers: what stands first decides."""
_NAME_ENDS = re.compile(r"[= ]")


class Exactness(StrEnum):
    """How near a figure is to what it stands for."""

    EXACT = "exact"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class RuntimeFinding:
    """A broken rule, with the figures of its sum."""

    rule: RuntimeRule
    image: str
    runtime: Runtime
    ceiling_bytes: int | None
    """The most that the heap may grow to. None if nothing limits it."""
    beside_bytes: int | None
    """The measured memory of the container beside that heap: `beside_bound` says how exactly. None if the rule needs
    none.
    """
    limit_bytes: int
    held_bytes: int | None = None
    """What holds memory now: the heap, or the whole container."""
    setting: str | None = None
    """The setting that breaks the rule as it is written. None if it is a default. It is text from outside."""
    fitting: str | None = None
    """The setting that keeps the rule. None if no value fits under this limit."""
    fitting_limit_bytes: int | None = None
    """A limit under which the rule is kept with the setting as it is. None if no limit helps."""

    @property
    def sum_bytes(self) -> int | None:
        """The ceiling and what is beside it."""
        return None if self.ceiling_bytes is None else self.ceiling_bytes + (self.beside_bytes or 0)

    @property
    def beside_bound(self) -> Exactness:
        """Whether `beside_bytes` is exact. It is a bound if it is not known which part of the memory the heap is."""
        runtime, beside = self.runtime, self.beside_bytes
        if runtime.heap_bytes is not None:
            return Exactness.EXACT
        least = runtime.beside_bytes
        return Exactness.AT_MOST if beside is not None and least is not None and beside > least else Exactness.AT_LEAST

    @property
    def fitting_name(self) -> str:
        """The name of the fitting setting, such as "work_mem". Empty if there is none."""
        return _NAME_ENDS.split(self.fitting or "", maxsplit=1)[0]

    @property
    def place(self) -> SettingPlace | None:
        """Where the setting is written, or else where the program is started. None if neither is known."""
        places = self.runtime.places
        own = places.get(self.setting) if self.setting is not None else None
        names = _NUMBER_OF_WORKERS if self.fitting_name in _NUMBER_OF_WORKERS else (self.fitting_name,)
        return own or next((places[name] for name in names if name in places), None) or places.get("")
