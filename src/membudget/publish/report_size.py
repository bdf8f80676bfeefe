"""Makes a report fit: if it would exceed a limit, details that are only shown are left out.

Figures stay, so the judgement does not change.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from json import dumps

from pydantic_core import PydanticSerializationError, to_jsonable_python

from membudget.judge.measurement import SideMeasurement
from membudget.measure.trial import PhaseName, Trial
from membudget.publish.json_bounds import oversized
from membudget.report.report import Report
from membudget.report.timeline import downsample

_LEFT_OUT = "left out of this report, which would have been too large"
_NOTE = "the report would have been too large: processes, logs and contents of images are left out"


def fitting(report: Report, most_bytes: int) -> tuple[Report, bytes] | None:
    """Return the report and its UTF-8 text, with as few details left out as possible. None if it is still too large."""
    for smaller, is_brief in _ever_smaller(report):
        text = _text(smaller, is_brief=is_brief)
        if len(text) <= most_bytes and oversized(text) is None:
            return smaller, text
    return None


def _ever_smaller(report: Report) -> Iterator[tuple[Report, bool]]:
    """Yield smaller and smaller reports, and whether to omit line breaks and default values from their text."""
    yield report, False
    yield report, True
    for trials in (_thinner(500), _thinner(100), _thinner(20)):
        report = _each_trial(report, trials)
        yield report, True
    report = _each_trial(_without_contents(report), _without_details)
    yield report, True
    yield _each_trial(report, _thinner(4)), True


def _thinner(most_points: int) -> Callable[[Trial], Trial]:
    """Return a function that shortens series. Those of a soak are kept, because they show whether memory leaks."""

    def thinned(trial: Trial) -> Trial:
        is_soak = any(phase.name == PhaseName.SOAK for phase in trial.phases)
        return trial if is_soak else replace(trial, series=downsample(trial.series, most_points))

    return thinned


def _without_details(trial: Trial) -> Trial:
    reason = _LEFT_OUT if trial.snapshot is not None else trial.snapshot_reason
    return replace(trial, snapshot=None, snapshot_reason=reason, log_tail=())


def _without_contents(report: Report) -> Report:
    images = (
        replace(image.with_each_side(partial(replace, contents=None)), contents_diff=None) for image in report.images
    )
    return report.model_copy(update={"images": tuple(images), "notes": (*report.notes, _NOTE)})


def _each_trial(report: Report, of: Callable[[Trial], Trial]) -> Report:
    def side(one: SideMeasurement) -> SideMeasurement:
        return replace(one, trials=tuple(map(of, one.trials)))

    return report.model_copy(update={"images": tuple(image.with_each_side(side) for image in report.images)})


def _text(report: Report, *, is_brief: bool) -> bytes:
    indent = None if is_brief else 1
    try:
        return report.__pydantic_serializer__.to_json(report, indent=indent, exclude_defaults=is_brief)
    except PydanticSerializationError:  # half of a surrogate pair, as in file names that are not UTF-8
        made = _whole_characters(report.model_dump(exclude_defaults=is_brief))
        return dumps(made, indent=indent, default=to_jsonable_python).encode()


def _whole_characters(value: object) -> object:
    """Return `value` with each half of a surrogate pair replaced, because JSON has none and no parser accepts one."""
    match value:
        case str():
            return value.encode(errors="surrogatepass").decode(errors="replace")
        case dict():
            return {_whole_characters(key): _whole_characters(below) for key, below in value.items()}
        case list() | tuple():
            return [_whole_characters(below) for below in value]
        case _:
            return value
