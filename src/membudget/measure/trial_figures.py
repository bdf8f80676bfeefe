"""All figures of a trial, from what its probes saw: the container's, its sidecars', what its load cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from membudget.core.metrics import Metric, MetricValue
from membudget.measure.certificate import Certificate, certify
from membudget.measure.figures import Startup, trial_metrics
from membudget.measure.judged_part import judged_part
from membudget.measure.oom_count import EngineWord, OomDoubt, count_oom_kills
from membudget.measure.pod_figures import pod_peak_rss
from membudget.measure.probe.messages import ProbeReport
from membudget.measure.trial import TrialSpec
from membudget.measure.unit_cost import LoadProgress, unit_costs


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a trial."""

    report: ProbeReport
    sidecars: Sequence[ProbeReport]
    progress: Sequence[LoadProgress]
    startup: Startup


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """Its metrics, and how far its peaks can be trusted."""

    metrics: dict[Metric, MetricValue]
    certificate: Certificate
    own_oom_kills: MetricValue
    """Those of the container without its sidecars'."""
    oom_doubt: OomDoubt | None = None


def trial_figures(spec: TrialSpec, seen: Seen, engine: EngineWord, rate_hz: int) -> TrialFigures:
    """Every trial metric: a value, or why there is none."""
    report = seen.report
    judged = judged_part(report, spec.unjudged_phases)
    certificate = certify(rate_hz, engine.cpus, judged.largest_usage_bytes, judged.certified_peak_bytes, report.effort)
    word = replace(engine, limit_bytes=spec.limit_bytes)
    metrics = trial_metrics(report, judged, certificate, seen.startup, word)
    counting = [progress for progress in seen.progress if progress.phase not in spec.unjudged_phases]
    metrics |= unit_costs(counting, report.series, report.origin_ns)
    missed = certificate.missed_bytes + sum(_missed_bytes(own, rate_hz, engine.cpus) for own in seen.sidecars)
    metrics[Metric.POD_PEAK_RSS] = pod_peak_rss(judged.series, report.origin_ns, seen.sidecars, missed)
    own = count_oom_kills(report, engine.cgroup_version, word)
    metrics[Metric.OOM_KILLS] = _of_the_pod(
        own.value, [count_oom_kills(sidecar, engine.cgroup_version).value for sidecar in seen.sidecars]
    )
    return TrialFigures(metrics, certificate, own.value, own.doubt)


def _missed_bytes(report: ProbeReport, rate_hz: int, cpus: int) -> int:
    largest = report.effort.largest_usage_bytes if report.effort is not None else None
    return certify(rate_hz, cpus, largest, report.kernel_peak.value, report.effort).missed_bytes


def _of_the_pod(own: MetricValue, sidecars: Sequence[MetricValue]) -> MetricValue:
    """OOM kills of the container and its sidecars. One that is not known makes the sum a lower bound."""
    every = [own, *sidecars]
    kills = sum(one.value or 0 for one in every)
    missing = next((one.reason for one in every if one.value is None), None)
    if not sidecars or (missing is not None and not kills):
        return (
            own if own.value is None or not sidecars else MetricValue.absent(Metric.OOM_KILLS, f"a sidecar: {missing}")
        )
    lesser = next((one.precision for one in every if one.is_lower_bound), None)
    if missing is None and lesser is None:
        return MetricValue.of(Metric.OOM_KILLS, kills, own.precision)
    return MetricValue.of(Metric.OOM_KILLS, kills, lesser or f"lower bound: {missing}", is_lower_bound=True)
