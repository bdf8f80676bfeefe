"""Limits on the size of a report: checked before the text is parsed, and kept when it is written.

Parsing can take up to a hundred times the bytes of the text for the emptiest values, and pydantic creates one error for
each unknown key. So the text is first scanned, once and in linear time. If a whole report would exceed the limits, the
writer leaves out details that are only shown. Figures stay, so the judgement does not change.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from json import dumps

from pydantic_core import PydanticSerializationError, to_jsonable_python

from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.measure.trial import PhaseName, Trial
from membudget.report.report import Report
from membudget.report.timeline import downsample

_MOST_VALUES = 800_000
"""A report has one value per 18 bytes."""
_MOST_TEXTS = 2 * _MOST_VALUES
"""A key and a value each."""
_MOST_TABLES = 160_000
"""The most objects and arrays. A report has one per 100 bytes."""
_MOST_MEMBERS = 200
"""The most keys of one object. A report's largest object has twenty."""
_DEEPEST = 40
"""The deepest nesting. A report's is ten."""
_MOST_DIGITS = 19
"""The digits of a 64-bit number, without the sign."""
_LONGEST_FRACTION = 40
_LARGEST_FRACTION = 1e9
_TOKEN = re.compile(rb'"[^"]*+"?|[\[\]{},]')
"""A string without an end extends to the end of the text, so that no part is searched twice."""
_STRING_OR_NUMBER = re.compile(rb'"[^"]*+"?|(-?\d[\d.eE+-]*+|-?Infinity|NaN)')


def oversized(text: bytes, most_tables: int = _MOST_TABLES) -> str | None:
    """Return how `text` exceeds the limits of any report, or None. `text` need not be JSON.

    `most_tables` is the limit for objects and arrays.
    """
    values = texts = tables = 0
    members: list[int] = []
    """The number of keys so far, for each enclosing object. For an array, a number too low to reach the limit."""
    for sign in tokens(text):
        if sign == b'"':
            texts += 1
        elif sign == b",":
            values += 1
            if members:
                members[-1] += 1
        elif sign in (b"{", b"["):
            tables += 1
            members.append(0 if sign == b"{" else -_MOST_VALUES)
        elif members:
            members.pop()
        else:
            return None  # closes something that was never opened: no parser continues after this
        if values > _MOST_VALUES or texts > _MOST_TEXTS or tables > most_tables:
            return "has too many values"
        if len(members) > _DEEPEST or (members and members[-1] >= _MOST_MEMBERS):
            return "nests too deeply, or has an object of too many keys"
    return None


def impossible_numbers(text: bytes) -> Iterator[str]:
    """Yield problems with the numbers of a JSON text that are never measured and could break arithmetic."""
    for token in _STRING_OR_NUMBER.finditer(_unescaped(text)):
        number = token[1]
        if number is None:
            continue
        if number.lstrip(b"-").isdigit():
            if len(number.lstrip(b"-")) > _MOST_DIGITS:
                yield "a whole number is out of range"
        elif len(number) > _LONGEST_FRACTION or not abs(_float(number)) <= _LARGEST_FRACTION:
            yield "a fraction is out of range"


def _float(number: bytes) -> float:
    try:
        return float(number)
    except ValueError:
        return 0.0  # such as 1-2: the parser will report it


def tokens(text: bytes) -> Iterator[bytes]:
    """Yield the first byte of each string, and each bracket, brace and comma outside strings."""
    plain = _unescaped(text)
    for token in _TOKEN.finditer(plain):
        yield plain[token.start() : token.start() + 1]


def _unescaped(text: bytes) -> bytes:
    """Return the text without escaped backslashes and quotes, so that each remaining quote begins or ends a string.

    A backslash outside a string is invalid JSON, and no parser continues after it.
    """
    return text.replace(rb"\\", b"").replace(rb"\"", b"")


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
        replace(_each_side(image, partial(replace, contents=None)), contents_diff=None) for image in report.images
    )
    return report.model_copy(update={"images": tuple(images), "notes": (*report.notes, _NOTE)})


def _each_trial(report: Report, of: Callable[[Trial], Trial]) -> Report:
    def side(one: SideMeasurement) -> SideMeasurement:
        return replace(one, trials=tuple(map(of, one.trials)))

    return report.model_copy(update={"images": tuple(_each_side(image, side) for image in report.images)})


def _each_side(image: ImageMeasurement, of: Callable[[SideMeasurement], SideMeasurement]) -> ImageMeasurement:
    return replace(
        image,
        base=of(image.base) if image.base is not None else None,
        head=of(image.head) if image.head is not None else None,
        own=replace(image.own, side=of(image.own.side)) if image.own is not None else None,
    )


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
