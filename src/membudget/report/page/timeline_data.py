"""The page's data about an image's trials: memory over time by kind, phases, budgets, and the figures of each trial."""

import statistics
from collections.abc import Iterator, Sequence

from membudget.budgets.rules import NO_BUDGET
from membudget.core.definition import Aggregation
from membudget.core.intervals import median_interval
from membudget.core.metric_words import format_spread
from membudget.core.metrics import Metric
from membudget.core.quantities import KIB
from membudget.core.untrusted_text import Json, Quoted, in_json, printable
from membudget.judge.bounds import Bound, bounds, fixed_bounds, warning_bounds
from membudget.judge.image import ImageJudgement
from membudget.judge.measurement import ImageMeasurement, SideMeasurement
from membudget.judge.metric import Row
from membudget.judge.values import trial_samples
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Outcome, Trial
from membudget.report.at_peak import peak_look, peak_rest
from membudget.report.causes import Program, breakdown
from membudget.report.row_words import bound_words
from membudget.report.timeline import downsample

_DRAWN = (Metric.PEAK_RSS, Metric.PEAK_MEMORY, Metric.PEAK_WORKING_SET)
"""The metrics whose budgets are drawn as lines in the chart."""
_OUTCOMES = {
    Outcome.COMPLETED: "completed",
    Outcome.OOM_KILLED: "OOM-killed",
    Outcome.WORKLOAD_FAILED: "workload failed",
    Outcome.TIMED_OUT: "timed out",
}
_CONFIDENCE = 0.95
_MOST_TRIALS = 40
_MOST_PROCESSES = 12


def sides(image: ImageMeasurement, points: int, other_points: int) -> dict[str, Json]:
    """Return the trials of both sides."""
    return {
        name: _side(side, points, other_points) if side is not None else None
        for name, side in (("base", image.base), ("head", image.head))
    }


def _side(side: SideMeasurement, points: int, other_points: int) -> dict[str, Json]:
    trials = side.trials[:_MOST_TRIALS]
    first = typical(trials)
    return {
        "typical": first,
        "trials": [_trial(trial, points if number == first else other_points) for number, trial in enumerate(trials)],
        "failure": [f"{side.failure.stage} failed: ", in_json(Quoted(side.failure.reason))] if side.failure else None,
    }


def typical(trials: Sequence[Trial]) -> int | None:
    """Return the number of the trial to show first: one with an OOM kill, or the one with the median peak RSS."""
    killed = next((number for number, trial in enumerate(trials) if trial.outcome is Outcome.OOM_KILLED), None)
    peaks = {number: _value(trial, Metric.PEAK_RSS) for number, trial in enumerate(trials)}
    known = {number: peak for number, peak in peaks.items() if peak is not None}
    if killed is not None or not known:
        return killed if killed is not None else 0 if trials else None
    middle = statistics.median(known.values())
    return min(known, key=lambda number: (abs(known[number] - middle), number))


def _value(trial: Trial, metric: Metric) -> int | None:
    reading = trial.metrics.get(metric)
    return reading.value if reading is not None else None


def _trial(trial: Trial, points: int) -> dict[str, Json]:
    return {
        "outcome": _OUTCOMES[trial.outcome],
        "peak": _value(trial, Metric.PEAK_RSS),
        "mark": _value(trial, Metric.PEAK_MEMORY),
        "columns": columns(trial.series, points),
        "samples": len(trial.series.time_us),
        "phases": [[phase.name, phase.begin_us / 1e6, phase.duration_ms / 1e3] for phase in trial.phases],
        "killed": [printable(process.name) for process in trial.oom.killed[:5]] if trial.oom is not None else None,
        **(_look(trial) if points else {"processes": [], "look": None}),
        "kinds": {printable(kind, 30): size for kind, size in list(trial.snapshot.kinds.items())[:10]}
        if trial.snapshot is not None else {},
    }  # fmt: skip


def _look(trial: Trial) -> dict[str, Json]:
    """Return the largest processes, what is left besides them, and how near to the peak the look at them was."""
    look = peak_look([trial])
    if look is None:
        return {"processes": [], "look": None}
    shown = look.snapshot.processes[:_MOST_PROCESSES]
    rows: list[Json] = [
        [printable(" ".join(process.arguments[:4]) or process.name, 80), process.pid, process.unreclaimable_bytes,
         process.file_backed_bytes, process.high_water_bytes]
        for process in shown
    ]  # fmt: skip
    unnamed = [
        Program("", 1, process.unreclaimable_bytes, process.file_backed_bytes)
        for process in look.snapshot.processes[_MOST_PROCESSES:]
    ]
    rest = peak_rest(breakdown(look.snapshot), unnamed)
    sums: list[Json] = [[str(part.name), part.bytes] for part in rest]
    return {"processes": rows, "look": [look.heading, [*sums, ["together", look.snapshot.seen_bytes]]]}


def columns(series: Series, points: int) -> list[Json]:
    """Return time in milliseconds and memory in KiB, by kind. Each value is the difference to the previous one.

    The kinds add up to usage: anonymous memory, shared memory, active page cache with kernel memory, and inactive page
    cache. RSS is the first two, the working set is the first three.
    """
    if not points:
        return [[], [], [], [], []]
    short = downsample(series, max(points, 8))
    kinds = zip(
        short.anon_bytes,
        (rss - anon for rss, anon in zip(short.rss_bytes, short.anon_bytes, strict=True)),
        (work - rss for work, rss in zip(short.working_set_bytes, short.rss_bytes, strict=True)),
        (usage - work for usage, work in zip(short.usage_bytes, short.working_set_bytes, strict=True)),
        strict=True,
    )
    in_kib = [[round(size / KIB) for size in sample] for sample in kinds]
    return [
        _differences([round(time / 1000) for time in short.time_us]),
        *(_differences([sample[kind] for sample in in_kib]) for kind in range(4)),
    ]


def _differences(values: Sequence[int]) -> list[int]:
    return [value - before for value, before in zip(values, [0, *values[:-1]], strict=True)]


def lines(image: ImageMeasurement) -> dict[str, Json]:
    """Return the horizontal lines of each chart as [bytes, words, kind, phase]. Every chart has the limit."""
    return {metric.value: list(_lines(image, metric)) for metric in _DRAWN}


def _lines(image: ImageMeasurement, metric: Metric) -> Iterator[Json]:
    base = image.base.metrics[metric].value if image.base is not None else None
    budget = image.budgets.get(metric, NO_BUDGET)
    yield from ([one.level, bound_words(metric, one), "budget", None] for one in bounds(metric, budget, base))
    yield from ([one.level, bound_words(metric, one), "warn", None] for one in warning_bounds(metric, budget, base))
    for phase, budgets in image.phase_budgets.items():
        for bound in fixed_bounds(budgets.get(metric, NO_BUDGET)):
            yield [bound.level, f"{phase}: {bound_words(metric, bound)}", "budget", phase]


def figures(image: ImageMeasurement, judged: ImageJudgement) -> list[Json]:
    """Return the values of each trial for every metric measured more than once, with the interval of their median."""
    if image.head is None:
        return []
    rows = {row.metric: row for row in judged.rows if row.phase is None and not row.is_own}
    return [
        _figures(image, image.head, rows[metric])
        for metric in Metric
        if metric.definition.aggregation is Aggregation.MEDIAN and metric in rows and _varies(image, image.head, metric)
    ]


def _varies(image: ImageMeasurement, head: SideMeasurement, metric: Metric) -> bool:
    samples = trial_samples(metric, image.base, head)
    return any((*samples.base, *samples.head))


def _figures(image: ImageMeasurement, head: SideMeasurement, row: Row) -> Json:
    metric = row.metric
    samples = trial_samples(metric, image.base, head)
    before = row.base.value if row.base is not None else None
    shown: list[Bound] = [*row.bounds, *warning_bounds(metric, row.budget, before)]
    return {
        "label": metric.definition.label,
        "unit": metric.definition.unit.value,
        "base": samples.base[:_MOST_TRIALS],
        "head": samples.head[:_MOST_TRIALS],
        "intervals": [_interval(samples.base), _interval(samples.head)],
        "delta": format_spread(metric, row.delta, row.margin) if row.delta is not None else None,
        "lines": [[bound.level, bound_words(metric, bound)] for bound in shown],
    }


def _interval(values: Sequence[int]) -> Json:
    """Return low, median, high, and the confidence in percent. None if there are too few values."""
    if len(values) < 2:
        return None
    found = median_interval(values, _CONFIDENCE)
    return [found.low, found.estimate, found.high, round(100 * found.confidence)]
