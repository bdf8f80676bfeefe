"""How long a report's text is at least, without writing it whole.

A report that is too large is made smaller in steps. Most of its text is of a few large parts, which most steps leave as
they are. So each part is written once, to measure it.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError

from membudget.contents.diff import ImageDiff
from membudget.contents.summary import ImageSummary
from membudget.judge.measurement import SideMeasurement
from membudget.measure.probe.messages import Series
from membudget.measure.probe.process_use import Snapshot
from membudget.measure.profiling.heap_profile import HeapProfile
from membudget.measure.trial import Trial
from membudget.report.report import Report

_LEFT_OUT_BYTES = len("null")
"""What may be written in place of a part that was taken out, at most."""
_Part = Series | Snapshot | HeapProfile | ImageSummary | ImageDiff
_NO_SERIES = Series()
_ADAPTERS: dict[type, TypeAdapter[object]] = {}
"""Each is made when it is first needed, because that takes a while."""


class Sizes:
    """The sizes of parts, each measured once. A part is known by its identity: a smaller one is another object."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[_Part, int]] = {}
        """With the part itself, so that no other object gets its identity."""

    def exceed(self, report: Report, most_bytes: int) -> bool:
        """Return whether the brief text of a report is certainly longer. Stops measuring as soon as it is known."""
        return any(so_far > most_bytes for so_far in accumulate(self._of_parts(report)))

    def _of_parts(self, report: Report) -> Iterator[int]:
        """Yield lengths that together are at most that of the text. Only commas and brackets are missing."""
        yield _bytes_of(report.model_copy(update={"images": ()}))
        for image in report.images:
            yield _bytes_of(replace(image.with_each_side(_bare), contents_diff=None, profile=None))
            sides = [image.profile.base, image.profile.head] if image.profile is not None else []
            yield from (self._of_part(side.profile) for side in sides if side is not None)
            yield from map(self._of_part, (image.contents_diff, *(side.contents for side in image.sides)))
            yield from (self._of_trial(trial) for side in image.sides for trial in side.trials)

    def _of_trial(self, trial: Trial) -> int:
        rest = _bytes_of(replace(trial, series=_NO_SERIES, snapshot=None))
        empty = _bytes_of(_NO_SERIES)
        return max(0, rest - empty) + self._of_part(trial.series) + self._of_part(trial.snapshot)

    def _of_part(self, part: _Part | None) -> int:
        if part is None:
            return 0
        if id(part) not in self._known:
            self._known[id(part)] = part, max(0, _bytes_of(part) - _LEFT_OUT_BYTES)
        return self._known[id(part)][1]


def _bare(side: SideMeasurement) -> SideMeasurement:
    return replace(side, trials=(), contents=None)


def _bytes_of(part: object) -> int:
    """Return the length of a part's brief text. 0 if the text cannot be written as simply as that."""
    try:
        if isinstance(part, BaseModel):
            return len(part.__pydantic_serializer__.to_json(part, exclude_defaults=True))
        if type(part) not in _ADAPTERS:
            _ADAPTERS[type(part)] = TypeAdapter(type(part))
        return len(_ADAPTERS[type(part)].dump_json(part, exclude_defaults=True))
    except PydanticSerializationError:  # half of a surrogate pair
        return 0
