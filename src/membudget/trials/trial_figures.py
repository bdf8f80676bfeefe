"""All figures of a trial, from what its probes saw: the container's, its sidecars', what its load cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from membudget.metrics import Metric, MetricValue
from membudget.trials.certificate import Certificate, certify
from membudget.trials.judged_part import judged_part
from membudget.trials.pod_metrics import pod_peak_rss, sidecar_use
from membudget.trials.probe_messages import ProbeReport
from membudget.trials.trial import TrialSpec
from membudget.trials.trial_metrics import EngineWord, Startup, trial_metrics
from membudget.trials.unit_cost import LoadProgress, unit_costs


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


def trial_figures(spec: TrialSpec, seen: Seen, engine: EngineWord, rate_hz: int) -> TrialFigures:
    """Every trial metric: a value, or why there is none."""
    report = seen.report
    judged = judged_part(report, spec.unjudged_phases)
    certificate = certify(rate_hz, engine.cpus, judged.largest_usage_bytes, judged.certified_peak_bytes, report.effort)
    metrics = trial_metrics(report, judged, certificate, seen.startup, replace(engine, limit_bytes=spec.limit_bytes))
    counting = [progress for progress in seen.progress if progress.phase not in spec.unjudged_phases]
    metrics |= unit_costs(counting, report.series, report.origin_ns)
    missed = certificate.missed_bytes + sum(_missed_bytes(own, rate_hz, engine.cpus) for own in seen.sidecars)
    metrics[Metric.POD_PEAK_RSS] = pod_peak_rss(judged.series, report.origin_ns, seen.sidecars, missed)
    own_oom_kills = metrics[Metric.OOM_KILLS]
    metrics[Metric.OOM_KILLS] = _of_the_pod(own_oom_kills, seen.sidecars)
    return TrialFigures(metrics, certificate, own_oom_kills)


def _missed_bytes(report: ProbeReport, rate_hz: int, cpus: int) -> int:
    largest = report.effort.largest_usage_bytes if report.effort is not None else None
    return certify(rate_hz, cpus, largest, report.kernel_peak.value, report.effort).missed_bytes


def _of_the_pod(kills: MetricValue, sidecars: Sequence[ProbeReport]) -> MetricValue:
    """OOM kills of the container and its sidecars."""
    more = sum(sidecar_use("", report).oom_kills.value or 0 for report in sidecars)
    return replace(kills, value=(kills.value or 0) + more, reason=None) if more else kills
