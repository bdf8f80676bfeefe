"""Merges the reports of several runners into one.

Missing, duplicate and unrelated parts do not stop the merge. The merged report names them, and its verdict is
inconclusive.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice

from membudget.core.errors import ConfigurationError
from membudget.core.untrusted_text import printable
from membudget.judge.image import judge_image
from membudget.judge.measurement import ImageMeasurement
from membudget.judge.metric import worst
from membudget.judge.whole import LONGEST_FILE_NAME, MOST_LEFT_OUT, Coverage, Difference, LeftOut
from membudget.report.notes import machines_note
from membudget.report.report import Environment, JudgedReport, Report

_MACHINE = ("engine", "platform", "cgroup_version", "cgroup_driver", "storage_driver", "cpus", "probe", "rate_hz")
"""The properties of the environment that affect figures."""

_SAME: Mapping[Difference, Callable[[Report], object]] = {
    Difference.HEAD: lambda report: report.comparison.head.sha,
    Difference.BASE: lambda report: report.comparison.base.sha if report.comparison.base else None,
    Difference.VERSION: lambda report: report.membudget_version,
    Difference.BUDGETS: lambda report: (
        report.budgets_digest,
        report.base_problem,
        report.coverage.known,
        report.groups,
        report.loosened,
    ),
    Difference.APPROVAL: lambda report: (report.approval, report.approval_label, report.approval_digest),
    Difference.SHARDS: lambda report: report.shard.of if report.shard else None,
}
"""What all parts of one check have in common."""


def merge(reports: Mapping[str, Report]) -> JudgedReport:
    """Merge `reports`, given by file name, into one report.

    Parts that differ from most others are left out. The merged report names them, and also shards and images that are
    missing or duplicate. It passes only if it covers everything that a whole check would. Raises ConfigurationError if
    no report is a part of a check.
    """
    if not reports:
        raise ConfigurationError(
            "there is no report to merge", fix="give the report.json of each shard, or their folder"
        )
    parts = _alike(reports)
    left_out = tuple(islice(_left_out(reports, parts[0]), MOST_LEFT_OUT))
    present = {part.shard.number for part in parts if part.shard}
    shards = parts[0].shard.of if parts[0].shard else 0
    merged = parts[0].model_copy(
        update={
            "shard": None,
            "coverage": Coverage(
                planned=parts[0].coverage.known,
                known=parts[0].coverage.known,
                missing_shards=tuple(number for number in range(1, shards + 1) if number not in present),
                checked_twice=tuple(_checked_twice(parts)),
                left_out=left_out,
            ),
            "images": tuple(_once(parts)),
            "started_at": min(part.started_at for part in parts),
            "duration_ms": max(part.duration_ms for part in parts),
            "notes": tuple(dict.fromkeys([*chain.from_iterable(part.notes for part in parts), *_differences(parts)])),
        }
    )
    return merged.judged()


def _alike(reports: Mapping[str, Report]) -> list[Report]:
    """Return the largest set of parts that may belong to one check, by shard number.

    Raises ConfigurationError if there is none.
    """
    shards = {name: report for name, report in reports.items() if report.shard is not None}
    if not shards:
        where = min(reports)
        raise ConfigurationError("is the report of a whole check, not of a shard", where=where)
    files = sorted(shards, key=lambda name: (_number(shards[name]), name))
    kinds: list[list[Report]] = []
    for part in (shards[name] for name in files):
        kind = next((kind for kind in kinds if _difference(part, kind[0]) is None), None)
        if kind is None:
            kinds.append([part])
        else:
            kind.append(part)
    return max(kinds, key=len)


def _number(report: Report) -> int:
    return report.shard.number if report.shard else 0


def _difference(part: Report, other: Report) -> Difference | None:
    return next((what for what, of in _SAME.items() if of(part) != of(other)), None)


def _left_out(reports: Mapping[str, Report], first: Report) -> Iterator[LeftOut]:
    for name in sorted(reports):
        differs = Difference.WHOLE if reports[name].shard is None else _difference(reports[name], first)
        if differs is not None:
            yield LeftOut(printable(name[-LONGEST_FILE_NAME:], LONGEST_FILE_NAME), differs)


def _checked_twice(parts: Sequence[Report]) -> Iterator[str]:
    counts = Counter(chain.from_iterable(_names(part) for part in parts))
    yield from (name for name in parts[0].coverage.known if counts[name] > 1)


def _names(part: Report) -> set[str]:
    return {*part.coverage.planned, *(image.name for image in part.images)}


def _once(parts: Sequence[Report]) -> Iterator[ImageMeasurement]:
    """Yield each image once, in the order of the parts. Of duplicates, the one with the worse verdict counts."""
    found: dict[str, ImageMeasurement] = {}
    for image in chain.from_iterable(part.images for part in parts):
        known = found.get(image.name)
        found[image.name] = image if known is None else _graver(known, image)
    yield from found.values()


def _graver(one: ImageMeasurement, other: ImageMeasurement) -> ImageMeasurement:
    verdicts = judge_image(one).verdict, judge_image(other).verdict
    return one if worst(verdicts) is verdicts[0] else other


def _differences(parts: Sequence[Report]) -> Iterator[str]:
    """Yield notes about machines that differ."""

    def machine(environment: Environment) -> tuple[object, ...]:
        return tuple(getattr(environment, name) for name in _MACHINE)

    first = machine(parts[0].environment)
    for part in parts[1:]:
        for name, one, other in zip(_MACHINE, first, machine(part.environment), strict=True):
            if one != other:
                yield machines_note(name, one, other)
