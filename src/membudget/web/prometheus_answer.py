"""What an answer of Prometheus's query API says. Pure: the bytes may come from anybody.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/. Thanos, Mimir and VictoriaMetrics answer alike.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 40
_LATEST_S = 1e11
"""In the year 5138."""
MOST_SERIES = 1000
"""More than any of membudget's queries asks for: each aggregates."""


@dataclass(frozen=True, slots=True)
class PrometheusSample:
    """A value at a time, of a series with these labels."""

    labels: Mapping[str, str]
    time_s: float
    text: str
    """The value as the server wrote it."""

    @property
    def value(self) -> float | None:
        """The value. None if it is no finite number from 0: NaN, infinity, a negative number, or text."""
        if len(self.text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(self.text):
            return None
        number = float(self.text)
        return number if math.isfinite(number) and number >= 0 else None


@dataclass(frozen=True, slots=True)
class Answered:
    """The samples of an answer."""

    samples: tuple[PrometheusSample, ...]
    is_partial: bool = False
    """Whether the server warns that something may be missing."""


@dataclass(frozen=True, slots=True)
class QueryRefused:
    """A query that the server did not answer, with its own words."""

    kind: str
    said: str


class NotPrometheusError(Exception):
    """The bytes are no answer of this API, or have more series than were asked for."""


_Time = Annotated[float, Field(ge=0, lt=_LATEST_S, allow_inf_nan=False)]
"""Seconds since the epoch. Python's JSON knows NaN and infinity."""
_Value = tuple[_Time, Annotated[str, Field(max_length=100)]]


class _Series(BaseModel):
    metric: dict[str, str] = {}
    value: _Value | None = None
    values: tuple[_Value, ...] = ()


class _Data(BaseModel):
    resultType: Literal["vector", "matrix"]  # noqa: N815 - as the API has it
    result: Annotated[tuple[_Series, ...], Field(max_length=MOST_SERIES)]


class _Document(BaseModel):
    status: Literal["success", "error"]
    data: _Data | None = None
    errorType: str = ""  # noqa: N815 - as the API has it
    error: str = ""
    warnings: tuple[str, ...] | None = None


def read_answer(content: bytes) -> Answered | QueryRefused:
    """Return what an answer says. Unknown keys are ignored: each server adds its own. Raises NotPrometheusError."""
    try:
        document = _Document.model_validate_json(content)
    except ValidationError:
        raise NotPrometheusError from None
    if document.status == "error":
        return QueryRefused(document.errorType, document.error)
    if document.data is None:
        raise NotPrometheusError
    return Answered(tuple(_samples(document.data)), is_partial=bool(document.warnings))


def _samples(data: _Data) -> Iterator[PrometheusSample]:
    for series in data.result:
        values = series.values if series.value is None else (series.value,)
        yield from (PrometheusSample(series.metric, time_s, text) for time_s, text in values)
