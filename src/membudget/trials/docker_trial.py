"""Runs one trial: a container under its limit, exercised, sampled from outside, and the kernel's word on it."""

import time

from membudget.budgets.workload import Workload
from membudget.engine.cgroup_layout import CgroupVersion, TrialCgroup, trial_cgroup
from membudget.engine.docker_containers import CannotStart, ContainerOptions, Containers, ContainerState
from membudget.engine.docker_engine import EngineInfo
from membudget.errors import EnvironmentFault
from membudget.metrics import Metric, MetricValue
from membudget.quantities import format_duration, format_size
from membudget.trials.docker_drivers import Drivers
from membudget.trials.docker_workload import ContainerWorkload
from membudget.trials.probe import Probe
from membudget.trials.probe_messages import ProbeReport
from membudget.trials.trial import Outcome, Trial, TrialSpec, WorkloadResult

_NO_SAMPLE = "the container ended before the first sample"
_KILL_S = 20.0
_HEALTH_INTERVAL_MS = 500
"""An engine waits for one interval before it looks the first time: by default longer than we wait for readiness."""


class TrialRunner:
    """Runs trials one after another on one engine."""

    def __init__(self, containers: Containers, info: EngineInfo, probe: Probe, drivers: Drivers) -> None:
        self._containers = containers
        self._info = info
        self._probe = probe
        self._drivers = drivers
        self._trials = 0

    @property
    def place(self) -> str:
        """Where samples are taken from, in words."""
        return self._probe.place

    @property
    def rate_hz(self) -> int:
        """Samples a second."""
        return self._probe.rate_hz

    def run(self, spec: TrialSpec) -> Trial:
        """Run `spec` once. Raises EnvironmentFault when nothing can be said about the image."""
        self._trials += 1
        cgroup = trial_cgroup(self._containers.run, self._trials, self._info.cgroup_driver)
        container_id = self._containers.create(_options(spec, cgroup, self._trials))
        try:
            return self._measure(spec, cgroup, container_id)
        finally:
            self._containers.remove(container_id)

    def _measure(self, spec: TrialSpec, cgroup: TrialCgroup, container_id: str) -> Trial:
        self._probe.follow(cgroup, container_id)
        workload = ContainerWorkload(self._containers, self._drivers, container_id, spec.workload)
        started = time.monotonic()
        try:
            self._containers.start(container_id)
            result = workload.run(started + spec.timeout_ms / 1000)
            has_started = True
        except CannotStart as error:
            result = WorkloadResult(passed=False, reason=f"the container cannot start: {error}")
            has_started = False
        finally:
            workload.close()
        duration_ms = round((time.monotonic() - started) * 1000)
        state, ended_by_itself = self._end(container_id)
        log = () if result.passed else result.output_tail or self._containers.log_tail(container_id)
        # The engine removes the container's cgroup now; the trial's own stays and keeps the kernel's marks.
        self._containers.remove(container_id)
        report = self._probe.finish()
        if has_started and report.kernel_peak_bytes is None and not report.series.time_us:
            raise self._unseen(cgroup, report)
        metrics = _metrics(report, state, self._info.cgroup_version)
        outcome, reason = _outcome(spec, result, metrics)
        return Trial(
            outcome=outcome,
            reason=reason,
            duration_ms=duration_ms,
            exit_code=state.exit_code if ended_by_itself else None,
            metrics=metrics,
            series=report.series,
            log_tail=log,
            workload_passed=result.passed,
        )

    def _end(self, container_id: str) -> tuple[ContainerState, bool]:
        """End the container if it still runs: its last state, and whether it had ended by itself."""
        state = self._containers.state(container_id)
        if not state.running:
            return state, True
        self._containers.kill(container_id)
        if not self._containers.wait(container_id, _KILL_S):
            raise EnvironmentFault(
                f"a killed container still ran after {_KILL_S:.0f} s", fix="look at the engine's log and the disk"
            )
        return self._containers.state(container_id), False

    def _unseen(self, cgroup: TrialCgroup, report: ProbeReport) -> EnvironmentFault:
        """A cgroup that no probe saw is a wrong place to look from, not a container without memory."""
        return EnvironmentFault(
            f"the container ran, but its cgroup {cgroup.path} was never seen from {self._probe.place}"
            f" ({report.kernel_peak_reason})",
            fix="choose where to measure from: --probe container",
        )


def _options(spec: TrialSpec, cgroup: TrialCgroup, number: int) -> ContainerOptions:
    command = spec.workload.command if spec.workload.kind == "command" else None
    return ContainerOptions(
        image=spec.image_id,
        name=f"trial{number}",
        role="trial",
        command=command,
        memory_bytes=spec.limit_bytes,
        cgroup_parent=cgroup.parent_argument,
        health_interval_ms=_HEALTH_INTERVAL_MS if _waits_for_health(spec.workload) else None,
    )


def _waits_for_health(workload: Workload) -> bool:
    return workload.kind != "command" and workload.ready is not None and workload.ready.healthcheck is not None


def _outcome(spec: TrialSpec, result: WorkloadResult, metrics: dict[Metric, MetricValue]) -> tuple[Outcome, str | None]:
    kills = metrics[Metric.OOM_KILLS].value
    if kills:
        limit = f" at its limit of {format_size(spec.limit_bytes)}" if spec.limit_bytes is not None else ""
        processes = "1 process" if kills == 1 else f"{kills} processes"
        return Outcome.OOM_KILLED, f"the kernel killed {processes} for memory{limit}"
    if result.timed_out:
        return Outcome.TIMED_OUT, f"still running after {format_duration(spec.timeout_ms)}"
    if not result.passed:
        return Outcome.WORKLOAD_FAILED, result.reason
    return Outcome.COMPLETED, None


def _metrics(report: ProbeReport, state: ContainerState, version: CgroupVersion) -> dict[Metric, MetricValue]:
    series = report.series
    peak = (
        MetricValue.of(Metric.PEAK_MEMORY, report.kernel_peak_bytes)
        if report.kernel_peak_bytes is not None
        else MetricValue.absent(Metric.PEAK_MEMORY, report.kernel_peak_reason or "unknown")
    )
    return {
        Metric.PEAK_RSS: _largest(Metric.PEAK_RSS, series.rss_bytes),
        Metric.PEAK_MEMORY: peak,
        Metric.PEAK_WORKING_SET: _largest(Metric.PEAK_WORKING_SET, series.working_set_bytes),
        Metric.OOM_KILLS: _oom_kills(report, state, version),
    }


def _largest(metric: Metric, samples: list[int]) -> MetricValue:
    return MetricValue.of(metric, max(samples)) if samples else MetricValue.absent(metric, _NO_SAMPLE)


def _oom_kills(report: ProbeReport, state: ContainerState, version: CgroupVersion) -> MetricValue:
    """The kernel's count; where v1's went away with the container, what the engine was told."""
    if report.oom_kills is not None and (report.oom_kills > 0 or not state.oom_killed):
        return MetricValue.of(Metric.OOM_KILLS, report.oom_kills)
    if state.oom_killed:
        return MetricValue.of(Metric.OOM_KILLS, 1, "lower bound: the engine was told of an OOM kill")
    if version == 1:
        return MetricValue.of(Metric.OOM_KILLS, 0, "the engine was told of no OOM kill")
    return MetricValue.absent(Metric.OOM_KILLS, report.oom_kills_reason or "unknown")
