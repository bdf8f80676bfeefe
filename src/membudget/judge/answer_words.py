"""What evidence says of a budget, in words that follow the metric's name."""

from membudget.core.metrics import Metric, format_delta, format_value
from membudget.core.quantities import format_percent
from membudget.judge.each_trial import Samples
from membudget.judge.evidence import Answer, Evidence


def of_maximum(metric: Metric, value: int, ceiling: int, name: str, evidence: Evidence) -> str:
    """Of a maximum that was asked about."""
    reach = f"its median lies between {format_value(metric, evidence.low)} and {format_value(metric, evidence.high)}"
    match evidence.answer:
        case Answer.BROKEN:
            return f"is {format_value(metric, value - ceiling)} over {name}"
        case Answer.OPEN:
            return f"is over {name}, but not for certain: {reach}"
        case _:
            return f"{name} is within its noise: {reach}"


def of_growth(metric: Metric, before: int, value: int, tolerated: int, evidence: Evidence) -> str:
    """Of a tolerance that was asked about."""
    reach = f"between {format_delta(metric, evidence.low)} and {format_delta(metric, evidence.high)}"
    match evidence.answer:
        case Answer.BROKEN:
            beyond = format_value(metric, value - before - tolerated)
            return f"grew by {_growth(metric, before, value)}, {beyond} more than tolerated"
        case Answer.OPEN:
            return f"grew, {reach}: whether by more than the tolerated {format_value(metric, tolerated)} is open"
        case _:
            return f"shows no growth beyond its noise: {reach}"


def of_cut_off(samples: Samples) -> str:
    """Of a growth that the limit hides."""
    cut = f"{sum(samples.cut_off)} of {len(samples.cut_off)} trials"
    return f"the limit cut its peak off in {cut}: raise the limit to see how much it grew"


def _growth(metric: Metric, before: int, after: int) -> str:
    change = format_value(metric, after - before)
    return f"{change} ({format_percent(100 * (after - before) / before, signed=True)})" if before else change
