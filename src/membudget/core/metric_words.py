"""How values of metrics are written: with their unit, their sign, and what is uncertain about them."""

from membudget.core.definition import Unit
from membudget.core.metrics import Metric, MetricValue
from membudget.core.quantities import (
    format_duration,
    format_latency,
    format_rate,
    format_size,
    format_size_delta,
    format_size_spread,
)


def format_value(metric: Metric, value: int) -> str:
    """Format a value of `metric` with its unit."""
    match metric.definition.unit:
        case Unit.BYTES:
            return format_size(value)
        case Unit.MILLISECONDS:
            return format_duration(value)
        case Unit.MICROSECONDS:
            return format_latency(value)
        case Unit.PER_1000_SECONDS | Unit.PER_1000_SECONDS_AND_GIB:
            return format_rate(value)
        case Unit.COUNT:
            return str(value)


def format_reading(metric: Metric, reading: MetricValue) -> str:
    """Format a value, or its absence.

    Estimates have a margin: "38.2 KiB ± 0.3 KiB". If their interval includes zero: "none found (± 0.3 KiB)".
    """
    if reading.value is None:
        return "not measured"
    value = format_value(metric, reading.value)
    if reading.is_lower_bound:
        return f"at least {value}"
    if reading.interval is None:
        return value
    low, high = reading.interval
    margin = format_value(metric, round((high - low) / 2))
    return _none_found(margin) if low <= 0 <= high else f"{value} ± {margin}"


def format_delta(metric: Metric, delta: int) -> str:
    """Format a change of `metric` with its sign."""
    match metric.definition.unit:
        case Unit.BYTES:
            return format_size_delta(delta)
        case Unit.COUNT:
            return f"{delta:+d}" if delta else "0"
        case _:
            sign = "-" if delta < 0 else "+" if delta else ""
            return f"{sign}{format_value(metric, abs(delta))}"


def format_spread(metric: Metric, delta: int, margin: int | None) -> str:
    """Format a change of `metric` with its margin: "+4.0 ± 0.3 MiB". A change within its margin is "none found".

    Without a margin, only the change is known.
    """
    if not margin:
        return format_delta(metric, delta)
    if abs(delta) <= margin:
        return _none_found(format_value(metric, margin))
    if metric.definition.unit is Unit.BYTES:
        return format_size_spread(delta, margin)
    return f"{format_delta(metric, delta)} ± {format_value(metric, margin)}"


def _none_found(margin: str) -> str:
    return f"none found (± {margin})"
