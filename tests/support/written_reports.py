"""Reports as `check` may write them, made from its own types: every state, and every value that a type has."""

import dataclasses
import types
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, MaxLen
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from membudget.budgets.cost import Currency
from membudget.budgets.fields import AnyPhaseLabel, ImageName, Since
from membudget.budgets.rules import Tolerance
from membudget.core.metrics import Metric, MetricValue
from membudget.core.sharding import Shard
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.then import Sha
from membudget.judge.whole import Coverage, GroupMeasurement
from membudget.measure.listening import AnyPort, IpAddress
from membudget.measure.probe.messages import Series
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy, ProfiledSide
from membudget.report.report import Environment, Report, RevisionReport
from tests.support import builders

_LARGEST = 2**63 - 1
_NAMES = st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True)
_PHASES = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
_TEXTS = st.text(st.characters(exclude_categories=()), max_size=12) | st.just("x" * 1000)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXTS,
    int: st.integers(-_LARGEST, _LARGEST),
    bool: st.booleans(),
    float: st.floats(0, 1000),
    date: st.dates(),
    type(None): st.none(),
    ImageName: _NAMES,
    Currency: st.sampled_from(["$", "EUR"]),
    AnyPhaseLabel: _PHASES,
    AnyPort: st.integers(0, 65535),
    IpAddress: st.ip_addresses().map(str),
    Since: st.from_regex(r"[a-z0-9][a-z0-9.-]{0,9}", fullmatch=True),
    Sha: st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
}


def _of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one for each kind of type
    """Any value of a type, as its writer may have it."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _SPECIAL:
        return st.deferred(_SPECIAL[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _bounded(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(_of, arguments))
    if origin is tuple and arguments[1:] != (...,):
        return st.tuples(*map(_of, arguments))
    if origin in (tuple, list):
        made = st.lists(_of(arguments[0]), max_size=2)
        return made.map(tuple) if origin is tuple else made
    if origin is dict:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=2)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    assert dataclasses.is_dataclass(kind), kind
    return _built(kind)


def _bounded(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotated type, within the bounds that pydantic checks. Lists are shorter than any bound."""
    plain = get_args(kind)[0]
    if plain is not str:
        return _numbers(kind) if plain in (int, float) else _of(plain)
    most = next((rule.max_length for rule in _rules(kind) if isinstance(rule, MaxLen)), None)
    return _TEXTS.map(lambda text: text[:most])


def _rules(kind: Any) -> list[Any]:
    return [rule for part in kind.__metadata__ if isinstance(part, FieldInfo) for rule in part.metadata]


def _numbers(kind: Any) -> st.SearchStrategy[int] | st.SearchStrategy[float]:
    """Any number of an annotated type, within the bounds that pydantic checks."""
    rules = _rules(kind)
    least = next((int(cast("Any", rule.ge)) for rule in rules if isinstance(rule, Ge)), None)
    most = next((int(cast("Any", rule.le)) for rule in rules if isinstance(rule, Le)), None)
    if get_args(kind)[0] is float:
        return st.floats(max(least or 0, 0), min(1000 if most is None else most, 1000))
    return st.integers(-_LARGEST if least is None else least, _LARGEST if most is None else most)


def _built(kind: Any, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, include_extras=True)
    names = [one.name for one in dataclasses.fields(kind)]
    return st.builds(kind, **{name: given[name] if name in given else _of(hints[name]) for name in names})


@st.composite
def _value(draw: st.DrawFn, metric: Metric) -> MetricValue:
    least = -_LARGEST if metric.definition.may_be_negative else 0
    value = draw(st.none() | st.integers(least, _LARGEST))
    bounds = draw(st.none() | st.tuples(*2 * [st.integers(-_LARGEST, _LARGEST)]))
    reason, at_most = draw(st.none() | _TEXTS), draw(st.none() | st.integers(0, _LARGEST))
    unit, is_bound = metric.definition.unit, draw(st.booleans())
    at_least = draw(st.none() | st.integers(0, _LARGEST))
    return MetricValue(value, unit, draw(_TEXTS), reason, at_most, bounds, is_bound, draw(st.booleans()), at_least)


def _metrics() -> st.SearchStrategy[dict[Metric, MetricValue]]:
    return st.fixed_dictionaries({metric: _value(metric) for metric in Metric})


@st.composite
def _series(draw: st.DrawFn) -> Series:
    length = draw(st.integers(0, 3))
    column = st.lists(st.integers(0, _LARGEST), min_size=length, max_size=length)
    return Series(*(draw(column) for _ in dataclasses.fields(Series)))


def _profiles() -> st.SearchStrategy[HeapProfile]:
    held = st.lists(st.tuples(st.lists(_of(Frame), max_size=3).map(tuple), st.integers(0, _LARGEST)), max_size=3)
    return st.builds(HeapProfile.of, st.sampled_from(ProfiledBy), held)


def _profiled_sides() -> st.SearchStrategy[ProfiledSide]:
    """No more processes gave no profile than there are."""
    counts = st.tuples(st.integers(0, 10_000_000), st.integers(0, 10_000_000)).map(sorted)
    return counts.flatmap(lambda two: _built(ProfiledSide, unanswered=st.just(two[0]), processes=st.just(two[1])))


_SPECIAL: dict[Any, Callable[[], st.SearchStrategy[Any]]] = {
    Series: _series,
    HeapProfile: _profiles,
    ProfiledSide: _profiled_sides,
    Tolerance: lambda: st.builds(Tolerance, st.floats(0, 1000), st.integers(0, _LARGEST)),
    SideMeasurement: lambda: _built(SideMeasurement, metrics=_metrics()),
}


@st.composite
def written_reports(draw: st.DrawFn) -> Report:
    """One of them; its verdict is not that of its figures."""
    names = draw(st.lists(_NAMES, max_size=2, unique=True))
    elsewhere = [name for name in draw(st.lists(_NAMES, max_size=2, unique=True)) if name not in names]
    images = tuple(draw(_built(ImageMeasurement, name=st.just(name))) for name in names)
    hints = get_type_hints(Report, include_extras=True)
    drawn = {
        name: draw(_of(hints[name]))
        for name in ("notes", "loosened", "approval", "verdict", "inconclusive", "base_problem", "approval_label")
    }
    plain = builders.report(notes=())
    texts = {name: draw(_TEXTS) for name, field in Environment.model_fields.items() if field.annotation is str} | {
        "memory_bytes": draw(st.integers(0, _LARGEST))
    }
    return plain.model_copy(
        update={
            **drawn,
            "started_at": datetime(draw(st.integers(1, 9999)), 12, 31, tzinfo=UTC),
            "duration_ms": draw(st.integers(0, _LARGEST)),
            "environment": plain.environment.model_copy(update=texts),
            "comparison": plain.comparison.model_copy(
                update={"head": RevisionReport(sha="b" * 64, subject="x"), "no_base_reason": draw(st.none() | _TEXTS)}
            ),
            "images": images,
            "coverage": Coverage(
                tuple(names), (*names, *elsewhere), missing_shards=draw(st.sampled_from([(), (1, 2)]))
            ),
            "groups": draw(st.lists(_of(GroupMeasurement), max_size=1).map(tuple)),
            "shard": draw(st.sampled_from([None, Shard(1, 1), Shard(256, 256)])),
        }
    )  # fmt: skip
