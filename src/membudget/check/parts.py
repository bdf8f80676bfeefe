"""Puts the parts of one run together that several runners measured, and finds what is missing, duplicate or unrelated.

The parts may be those of a check or of a fit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, Protocol, TypeAlias, TypeVar

from membudget.core.errors import ConfigurationError
from membudget.core.sharding import Shard
from membudget.core.untrusted_text import printable
from membudget.judge.whole import LONGEST_FILE_NAME, MOST_LEFT_OUT, Coverage, LeftOut, PartDifference
from membudget.report.notes import machines_note
from membudget.report.report import Environment

_MACHINE = ("engine", "platform", "cgroup_version", "cgroup_driver", "storage_driver", "cpus", "probe", "rate_hz")
"""The properties of the environment that affect figures."""


class Named(Protocol):
    """The result of one image."""

    @property
    def name(self) -> str:
        """The image's name."""


class ReportPart(Protocol):
    """A report, of one shard or of a whole run."""

    @property
    def shard(self) -> Shard | None:
        """The part of the run. None if the report is about a whole run."""

    @property
    def coverage(self) -> Coverage:
        """The images and shards that the report has to cover."""

    @property
    def environment(self) -> Environment:
        """The machine."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the whole run."""

    @property
    def images(self) -> Sequence[Named]:
        """The results."""


PartT = TypeVar("PartT", bound=ReportPart)
NamedT = TypeVar("NamedT", bound=Named)
Same: TypeAlias = Mapping[PartDifference, Callable[[PartT], object]]
"""What all parts of one run have in common."""


@dataclass(frozen=True, slots=True)
class Together(Generic[PartT]):
    """The parts of one run."""

    parts: Sequence[PartT]
    """By the number of their shard. There is at least one."""
    coverage: Coverage
    """What the merged report has to cover, and what is wrong with the parts."""
    notes: tuple[str, ...]
    """The notes of all parts, each once, and those about machines that differ."""


def together(reports: Mapping[str, PartT], same: Same[PartT], run: str) -> Together[PartT]:
    """Return the largest set of `reports`, given by file name, that belong to one run.

    The coverage names the others, and also shards and images that are missing or duplicate. `run` is "check" or "fit".
    Raises ConfigurationError if no report is a part.
    """
    if not reports:
        raise ConfigurationError(
            "there is no report to merge", fix="give the report.json of each shard, or their folder"
        )
    parts = _alike(reports, same, run)
    first = parts[0]
    present = {part.shard.number for part in parts if part.shard}
    shards = first.shard.of if first.shard else 0
    coverage = Coverage(
        planned=first.coverage.known,
        known=first.coverage.known,
        missing_shards=tuple(number for number in range(1, shards + 1) if number not in present),
        checked_twice=tuple(_twice(parts)),
        left_out=tuple(islice(_left_out(reports, first, same), MOST_LEFT_OUT)),
    )
    notes = dict.fromkeys([*chain.from_iterable(part.notes for part in parts), *_machines(parts)])
    return Together(parts, coverage, tuple(notes))


def once(images: Iterator[NamedT], graver: Callable[[NamedT, NamedT], NamedT]) -> Iterator[NamedT]:
    """Yield each image once, in their order. `graver` says which of two results of the same image counts."""
    found: dict[str, NamedT] = {}
    for image in images:
        known = found.get(image.name)
        found[image.name] = image if known is None else graver(known, image)
    yield from found.values()


def _alike(reports: Mapping[str, PartT], same: Same[PartT], run: str) -> list[PartT]:
    """Return the largest set of parts that may belong to one run, by shard number."""
    shards = {name: report for name, report in reports.items() if report.shard is not None}
    if not shards:
        where = min(reports)
        raise ConfigurationError(f"is the report of a whole {run}, not of a shard", where=where)
    files = sorted(shards, key=lambda name: (_number(shards[name]), name))
    kinds: list[tuple[list[object], list[PartT]]] = []
    for part in (shards[name] for name in files):
        shared = [of(part) for of in same.values()]
        kind = next((parts for known, parts in kinds if known == shared), None)
        if kind is None:
            kinds.append((shared, [part]))
        else:
            kind.append(part)
    return max((parts for _, parts in kinds), key=len)


def _number(report: ReportPart) -> int:
    return report.shard.number if report.shard else 0


def _difference(part: PartT, other: PartT, same: Same[PartT]) -> PartDifference | None:
    return next((what for what, of in same.items() if of(part) != of(other)), None)


def _left_out(reports: Mapping[str, PartT], first: PartT, same: Same[PartT]) -> Iterator[LeftOut]:
    for name in sorted(reports):
        differs = PartDifference.WHOLE if reports[name].shard is None else _difference(reports[name], first, same)
        if differs is not None:
            yield LeftOut(printable(name[-LONGEST_FILE_NAME:], LONGEST_FILE_NAME), differs)


def _twice(parts: Sequence[ReportPart]) -> Iterator[str]:
    counts = Counter(chain.from_iterable(_names(part) for part in parts))
    yield from (name for name in parts[0].coverage.known if counts[name] > 1)


def _names(part: ReportPart) -> set[str]:
    return {*part.coverage.planned, *(image.name for image in part.images)}


def _machines(parts: Sequence[ReportPart]) -> Iterator[str]:
    """Yield notes about machines that differ."""

    def machine(environment: Environment) -> tuple[object, ...]:
        return tuple(getattr(environment, name) for name in _MACHINE)

    first = machine(parts[0].environment)
    for part in parts[1:]:
        for name, one, other in zip(_MACHINE, first, machine(part.environment), strict=True):
            if one != other:
                yield machines_note(name, one, other)
