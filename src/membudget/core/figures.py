"""Figures of metrics as people read them, each with its unit."""

from membudget.core.metrics import DEFINITIONS, Metric, MetricValue, Unit
from membudget.core.quantities import format_duration, format_size, format_size_delta, format_size_spread


def format_value(metric: Metric, value: int) -> str:
    """A value of `metric` for people, with its unit."""
    match DEFINITIONS[metric].unit:
        case Unit.BYTES:
            return format_size(value)
        case Unit.MILLISECONDS:
            return format_duration(value)
        case Unit.COUNT:
            return str(value)


def format_reading(metric: Metric, reading: MetricValue) -> str:
    """A value, or that there is none; an estimate with its margin: "38.2 KiB ± 0.3 KiB"."""
    if reading.value is None:
        return "not measured"
    value = format_value(metric, reading.value)
    if reading.is_lower_bound:
        return f"at least {value}"
    if reading.interval is None:
        return value
    low, high = reading.interval
    return f"{value} ± {format_value(metric, round((high - low) / 2))}"


def format_delta(metric: Metric, delta: int) -> str:
    """A change of `metric` for people, signed."""
    match DEFINITIONS[metric].unit:
        case Unit.BYTES:
            return format_size_delta(delta)
        case Unit.MILLISECONDS:
            sign = "-" if delta < 0 else "+" if delta else ""
            return f"{sign}{format_duration(abs(delta))}"
        case Unit.COUNT:
            return f"{delta:+d}" if delta else "0"


def format_spread(metric: Metric, delta: int, margin: int) -> str:
    """A change of `metric` and how far it may be off: "+4.0 ± 0.3 MiB"."""
    if DEFINITIONS[metric].unit is Unit.BYTES:
        return format_size_spread(delta, margin)
    return f"{format_delta(metric, delta)} ± {format_value(metric, margin)}"
