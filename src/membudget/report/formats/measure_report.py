"""The result of `membudget measure`, as JSON and on a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from membudget.budgets.suggested import as_written, limit_for
from membudget.core.closed_model import ClosedModel
from membudget.core.metric_words import format_reading
from membudget.core.metrics import SILENT_WHEN_ABSENT, Metric, MetricValue
from membudget.core.quantities import format_duration, format_size
from membudget.core.untrusted_text import printable, printable_line
from membudget.measure.certificate import Conclusion
from membudget.measure.trial import Outcome, Trial
from membudget.report.assumptions import workload_finding
from membudget.report.findings import FindingKind, certificate_words, findings
from membudget.report.formats.tables import TerminalTable
from membudget.report.report import Environment
from membudget.report.usage import Usage, held_by, usage

_OUTCOMES = {
    Outcome.COMPLETED: "completed",
    Outcome.OOM_KILLED: "oom killed",
    Outcome.WORKLOAD_FAILED: "workload failed",
    Outcome.TIMED_OUT: "timed out",
}


class MeasureReport(ClosedModel):
    """The model of what `membudget measure --json` prints for an image."""

    image: str
    """The name that the user gave."""
    image_id: str
    limit_bytes: int | None
    environment: Environment
    metrics: dict[Metric, MetricValue]
    """The values over all measured trials: the median, or the maximum for OOM kills."""
    trials: tuple[Trial, ...]

    @property
    def judgeable_trials(self) -> tuple[Trial, ...]:
        """The trials that the metrics are computed from."""
        return tuple(trial for trial in self.trials if trial.judgeable)


def render(report: MeasureReport) -> RenderableType:
    """Return the report for rich, with a row per metric and a column per trial."""
    used = usage(report.metrics.get(Metric.PEAK_RSS), report.limit_bytes)
    limit = f"limit {format_size(report.limit_bytes)}" if report.limit_bytes is not None else "no limit"
    parts: list[RenderableType] = [Text(f"{printable(report.image)}, {limit}", style="bold"), _table(report)]
    parts += failure_lines(report)
    parts += [
        Text(finding.as_text(), style="yellow" if finding.is_grave else "")
        for finding in (*workload_finding(report.trials), *findings(report.trials))
        if used is None or finding.kind is not FindingKind.AT_PEAK  # the end tells it
    ]
    parts += [Text(words, style="dim") for words in _certificates(report)]
    parts.append(environment_line(report.environment))
    return Group(*parts, *([Text()] if used is not None else []), *_end(report))


def failure_lines(report: MeasureReport, whose: str = "") -> Iterator[Text]:
    """Yield why trials ended as they did, and what their containers printed last. Lines begin with `whose`."""
    for number, trial in enumerate(report.trials, 1):
        if trial.reason is not None:
            outcome = _OUTCOMES[trial.outcome]
            yield Text(f"{whose}trial {number} {outcome}: {printable(trial.reason)}", style="yellow")
            yield from (Text(f"  │ {printable_line(line)}", style="dim") for line in trial.log_tail)


def environment_line(environment: Environment) -> Text:
    """Return how the figures were measured."""
    return Text(
        f"engine {environment.engine}, cgroup v{environment.cgroup_version} ({environment.cgroup_driver}),"
        f" sampled at {environment.rates} from {environment.probe}",
        style="dim",
    )


def render_quietly(report: MeasureReport) -> RenderableType:
    """Return only the end of the report, which has what most readers want to know."""
    return Group(*_end(report))


def _end(report: MeasureReport) -> Iterator[RenderableType]:
    """Yield the peak, the limit, how much of it is unused, which processes held the memory, and what to do next."""
    used = usage(report.metrics.get(Metric.PEAK_RSS), report.limit_bytes)
    if used is None:
        return
    peak, limit, unused = used.cells
    lines = [
        f"peak RSS  {peak}{_spread(report)}",
        f"limit     {limit}",
        *([f"unused    {unused}"] if used.unused_bytes is not None else []),
        *(finding.as_text() for finding in held_by(report.judgeable_trials)),
    ]
    yield Text("\n".join(lines), style="bold")
    yield Text()
    yield Text(_next_step(report, used))


def _spread(report: MeasureReport) -> str:
    """Return in words how far the peaks of the trials are apart. Empty for a single trial."""
    values = [trial.metrics[Metric.PEAK_RSS].value for trial in report.judgeable_trials]
    peaks = [value for value in values if value is not None]
    if len(peaks) < 2:
        return ""
    least, most = format_size(min(peaks)), format_size(max(peaks))
    return f" (median of {len(peaks)} trials{f': {least} to {most}' if least != most else ''})"


def _next_step(report: MeasureReport, used: Usage) -> str:
    killed = report.metrics.get(Metric.OOM_KILLS)
    if killed is not None and killed.value and report.limit_bytes is not None:
        more = as_written(2 * report.limit_bytes)
        return f"Next: measure again with more memory, to see what it needs: membudget measure --limit {more} …"
    working_set = report.metrics.get(Metric.PEAK_WORKING_SET)
    limit = limit_for(used.peak_bytes, working_set.value if working_set is not None else None)
    settings = [f'limit = "{as_written(limit)}"'] if report.limit_bytes is None else []
    settings.append(f'budgets.peak_rss.max = "{used.suggested_max}"')
    return (
        "Next: set a budget. `membudget init` writes a budgets.toml for the images of a repository.\n"
        f"For this image, with room above the peak: {', '.join(settings)}"
    )


def _certificates(report: MeasureReport) -> list[str]:
    """Return each positive certificate once. The others are findings."""
    words = {
        certificate_words(trial.certificate): None
        for trial in report.trials
        if trial.certificate is not None and trial.certificate.conclusion is Conclusion.CONFIRMED
    }
    return list(words)


def _table(report: MeasureReport) -> TerminalTable:
    columns = [f"trial {number}\n{format_duration(trial.duration_ms)}" for number, trial in enumerate(report.trials, 1)]
    rows = []
    for metric, value in report.metrics.items():
        if value.value is None and metric in SILENT_WHEN_ABSENT:
            continue
        cells = [Text(_cell(metric, trial.metrics.get(metric)), style="dim") for trial in report.trials]
        note = value.reason if value.value is None else value.precision
        label = Text(metric.definition.label)
        rows.append([label, Text(_cell(metric, value)), *cells, Text(printable(note or ""), style="dim")])
    headings = ("metric", "value", *columns, "precision")
    return TerminalTable(headings, rows, frozenset({"value", *columns}))


def _cell(metric: Metric, value: MetricValue | None) -> str:
    return "" if value is None else format_reading(metric, value)
