"""Use case 3: one report of the parts that several runners measured."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from membudget.errors import ConfigurationError
from membudget.report.report import Environment, Report

_MACHINE = ("engine", "platform", "cgroup_version", "cgroup_driver", "storage_driver", "cpus", "probe", "rate_hz")
"""What of the environment changes figures."""

_SAME: tuple[tuple[str, Callable[[Report], object]], ...] = (
    ("head commit", lambda report: report.comparison.head.sha),
    ("base commit", lambda report: report.comparison.base.sha if report.comparison.base else None),
    ("version of membudget", lambda report: report.membudget_version),
    ("budgets", lambda report: report.budgets_digest),
    ("approval of looser budgets", lambda report: (report.approval, report.approval_label)),
    ("number of shards", lambda report: report.shard.of if report.shard else None),
)


def merge(reports: Mapping[str, Report]) -> Report:
    """One report of `reports`, by the names of their files. Shards that are missing are named in it, and fail it.

    Raises ConfigurationError for parts that do not belong together.
    """
    if not reports:
        raise ConfigurationError(
            "there is no report to merge", fix="give the report.json of each shard, or their folder"
        )
    files = sorted(reports, key=lambda name: _number(name, reports[name]))
    parts = [reports[name] for name in files]
    first = parts[0]
    for name, part in zip(files, parts, strict=True):
        for what, of in _SAME:
            if of(part) != of(first):
                raise ConfigurationError(
                    f"differs from {files[0]} in its {what}: they are no parts of one check",
                    where=name,
                    fix="merge the reports of one workflow run",
                )
    _refuse_doubles(reports, files)
    present = {part.shard.number for part in parts if part.shard}
    shards = first.shard.of if first.shard else 0
    merged = first.model_copy(
        update={
            "shard": None,
            "missing_shards": tuple(number for number in range(1, shards + 1) if number not in present),
            "images": tuple(chain.from_iterable(part.images for part in parts)),
            "started_at": min(part.started_at for part in parts),
            "duration_ms": max(part.duration_ms for part in parts),
            "notes": tuple(dict.fromkeys([*chain.from_iterable(part.notes for part in parts), *_differences(parts)])),
        }
    )
    return merged.with_verdict()


def _number(name: str, report: Report) -> int:
    if report.shard is None:
        raise ConfigurationError("is the report of a whole check, not of a shard", where=name)
    return report.shard.number


def _refuse_doubles(reports: Mapping[str, Report], files: list[str]) -> None:
    shards: dict[int, str] = {}
    images: dict[str, str] = {}
    for name in files:
        number = _number(name, reports[name])
        if number in shards:
            raise ConfigurationError(f"is shard {number}, and so is {shards[number]}", where=name)
        shards[number] = name
        for image in reports[name].images:
            if image.name in images:
                raise ConfigurationError(f"has the image {image.name}, and so has {images[image.name]}", where=name)
            images[image.name] = name


def _differences(parts: list[Report]) -> Iterator[str]:
    """What is to be said of machines that are not alike."""

    def machine(environment: Environment) -> tuple[object, ...]:
        return tuple(getattr(environment, name) for name in _MACHINE)

    first = machine(parts[0].environment)
    for part in parts[1:]:
        for name, one, other in zip(_MACHINE, first, machine(part.environment), strict=True):
            if one != other:
                yield f"its shards ran on machines that differ: {name.replace('_', ' ')} {one} and {other}"
