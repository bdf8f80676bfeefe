"""How much a report may be: counted before its text is read, and kept to when it is written.

A reader takes up to a hundred times the text's own bytes for the emptiest of values, and pydantic one remark for each
key that nobody knows. So a text is first only walked through, once and in linear time. Where a whole report would be
more than that, the writer leaves out what is only shown. Figures stay, so that the judgement stays.
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
"""A report has one for each 18 bytes."""
_MOST_TEXTS = 2 * _MOST_VALUES
"""A key and a value each."""
_MOST_TABLES = 160_000
"""Objects and arrays; a report has one for each 100 bytes."""
_MOST_MEMBERS = 200
"""Of one object. A report's largest has twenty."""
_DEEPEST = 40
"""A report goes ten deep."""
_MOST_DIGITS = 19
"""As many as 64 bits hold, beside a sign."""
_LONGEST_FRACTION = 40
_LARGEST_FRACTION = 1e9
_TOKEN = re.compile(rb'"[^"]*+"?|[\[\]{},]')
"""A string that never ends goes to the end of the text: from no quote on is anything searched twice."""
_STRING_OR_NUMBER = re.compile(rb'"[^"]*+"?|(-?\d[\d.eE+-]*+|-?Infinity|NaN)')


def oversized(text: bytes, most_tables: int = _MOST_TABLES) -> str | None:
    """What of `text` is more than any report has; None where nothing is. It need not be JSON.

    `most_tables`: objects and arrays.
    """
    values = texts = tables = 0
    members: list[int] = []
    """Of each object around, how many so far; of an array, less than can be reached."""
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
            return None  # it closes what was never opened: no reader goes on behind this
        if values > _MOST_VALUES or texts > _MOST_TEXTS or tables > most_tables:
            return "has too many values"
        if len(members) > _DEEPEST or (members and members[-1] >= _MOST_MEMBERS):
            return "nests too deeply, or has an object of too many keys"
    return None


def impossible_numbers(text: bytes) -> Iterator[str]:
    """Numbers of a JSON text that nothing measured has, and that arithmetic would choke on."""
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
        return 0.0  # as in 1-2: no JSON, as its reader says


def tokens(text: bytes) -> Iterator[bytes]:
    """The first byte of each string, and each bracket, brace and comma outside of strings."""
    plain = _unescaped(text)
    for token in _TOKEN.finditer(plain):
        yield plain[token.start() : token.start() + 1]


def _unescaped(text: bytes) -> bytes:
    """Without escapes, the pairs of backslashes before the quotes: what is left of quotes begin and end strings.

    A backslash outside of a string is no JSON, and no reader goes on behind it.
    """
    return text.replace(rb"\\", b"").replace(rb"\"", b"")


_LEFT_OUT = "left out of this report, which would have been too large"
_NOTE = "the report would have been too large: processes, logs and contents of images are left out"


def fitting(report: Report, most_bytes: int) -> tuple[Report, bytes] | None:
    """The report and its text, in UTF-8, with no more left out than it takes. None: not even that is enough."""
    for smaller, is_brief in _ever_smaller(report):
        text = _text(smaller, is_brief=is_brief)
        if len(text) <= most_bytes and oversized(text) is None:
            return smaller, text
    return None


def _ever_smaller(report: Report) -> Iterator[tuple[Report, bool]]:
    """Reports, and whether their texts go without line breaks and values that are the usual ones."""
    yield report, False
    yield report, True
    for trials in (_thinner(500), _thinner(100), _thinner(20)):
        report = _each_trial(report, trials)
        yield report, True
    report = _each_trial(_without_contents(report), _without_details)
    yield report, True
    yield _each_trial(report, _thinner(4)), True


def _thinner(most_points: int) -> Callable[[Trial], Trial]:
    """Makes series shorter. Of a soak they stay as they are: whether memory leaks is judged by them."""

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
    except PydanticSerializationError:  # half of a character, as in names of files that are no UTF-8
        made = _whole_characters(report.model_dump(exclude_defaults=is_brief))
        return dumps(made, indent=indent, default=to_jsonable_python).encode()


def _whole_characters(value: object) -> object:
    """`value` with a replacement for each half of a character in its texts: JSON has none, and no reader takes one."""
    match value:
        case str():
            return value.encode(errors="surrogatepass").decode(errors="replace")
        case dict():
            return {_whole_characters(key): _whole_characters(below) for key, below in value.items()}
        case list() | tuple():
            return [_whole_characters(below) for below in value]
        case _:
            return value
