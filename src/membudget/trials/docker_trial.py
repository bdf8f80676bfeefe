"""Runs one trial: a container under its limit, exercised, sampled from outside, and the kernel's word on it."""

import contextlib
import threading
import time
from dataclasses import dataclass, replace

from membudget.budgets.workload import Workload, steps_of
from membudget.engine.cgroup_layout import TrialCgroup, trial_cgroup
from membudget.engine.docker_containers import CannotStart, ContainerOptions, Containers, ContainerState
from membudget.engine.docker_engine import EngineInfo
from membudget.errors import EnvironmentFault
from membudget.metrics import Metric
from membudget.trials.admission import cpu_list
from membudget.trials.certificate import Conclusion, certify
from membudget.trials.docker_drivers import Drivers
from membudget.trials.docker_workload import ContainerWorkload
from membudget.trials.judged_part import judged_part
from membudget.trials.probe import DEFAULT_RATE_HZ, Probe
from membudget.trials.probe_messages import ProbeReport
from membudget.trials.redaction import without_secrets
from membudget.trials.trial import PhaseName, RanInside, Trial, TrialSpec, WorkloadResult
from membudget.trials.trial_metrics import EngineWord, Startup, limit_contact, oom_findings, phases, trial_metrics
from membudget.trials.trial_outcome import outcome_of
from membudget.trials.unit_cost import unit_costs

_KILL_S = 20.0
_HEALTH_INTERVAL_MS = 500
"""An engine waits for one interval before it looks the first time: by default longer than we wait for readiness."""
HIGHEST_RATE_HZ = 1000
_RATE_FACTOR = 10


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """How a runner looks, and on which CPUs its containers run."""

    rate_hz: int = DEFAULT_RATE_HZ
    """Looks a second at rest."""
    highest_rate_hz: int = HIGHEST_RATE_HZ
    """How fast a repeated trial may look."""
    cpus: tuple[int, ...] | None = None
    """Which CPUs its containers may have; None: all."""


@dataclass(frozen=True, slots=True)
class LiveTrial:
    """A trial that runs."""

    phase: str
    rss_bytes: int


class TrialRunner:
    """Runs trials one after another on one engine."""

    def __init__(
        self,
        containers: Containers,
        info: EngineInfo,
        probe: Probe,
        drivers: Drivers,
        settings: RunnerSettings = RunnerSettings(),
    ) -> None:
        self._containers = containers
        self._info = info
        self._probe = probe
        self._drivers = drivers
        self._settings = settings
        self._container_id: str | None = None
        self._cancelled = False
        self._phase: str | None = None
        """That of the trial which runs."""
        self.rate_hz = settings.rate_hz
        """Looks a second at rest."""
        self.place = probe.place
        """Where samples are taken from, in words."""

    def run(self, spec: TrialSpec, ledger: "TrialLedger") -> Trial:
        """Run `spec`; once more at a higher rate when a spike was missed.

        Raises EnvironmentFault when nothing can be said about the image.
        """
        rate_hz = ledger.rates_hz.get(spec.name, self.rate_hz)
        trial = self._run_once(spec, ledger.next_number(), rate_hz)
        while _missed_a_spike(trial) and self._probe.sees_cgroups and rate_hz < self._settings.highest_rate_hz:
            rate_hz = ledger.rates_hz[spec.name] = min(self._settings.highest_rate_hz, rate_hz * _RATE_FACTOR)
            again = self._run_once(spec, ledger.next_number(), rate_hz)
            if not again.judgeable:
                break
            assert again.certificate is not None  # noqa: S101 - every trial that was run has one
            trial = replace(again, certificate=replace(again.certificate, repeated=True))
        return trial

    def cancel(self) -> None:
        """End the trial that is running, and start no other. Called from another thread."""
        self._cancelled = True
        if self._container_id is not None:
            with contextlib.suppress(EnvironmentFault):  # gone already, or the engine is
                self._containers.remove(self._container_id)

    def live(self) -> LiveTrial | None:
        """The trial that runs, as last sampled; None when there is none. Called from another thread."""
        phase = self._phase
        try:
            rss = self._probe.rss_now() if phase is not None else None
        except EnvironmentFault:  # the trial's own thread says so
            return None
        return LiveTrial(phase, rss) if phase is not None and rss is not None else None

    def available_bytes(self) -> int | None:
        """Memory that the machine has to spare."""
        return self._probe.available_bytes()

    def _cpus(self) -> tuple[int, ...]:
        return self._settings.cpus or tuple(range(self._info.cpus))

    def _run_once(self, spec: TrialSpec, number: int, rate_hz: int) -> Trial:
        cgroup = trial_cgroup(self._containers.run, number, self._info.cgroup_driver, self._info.kind)
        parent = cgroup.parent_argument if self._probe.sees_cgroups else None
        self._container_id = container_id = self._containers.create(
            _options(spec, number, parent, cpu_list(self._cpus(), spec.inputs.cpus, self._info.cpus))
        )
        try:
            if self._cancelled:
                raise EnvironmentFault("the run was cancelled")
            for path, folder in spec.inputs.volumes.items():
                self._containers.copy_in(container_id, folder, path)
            return self._measure(spec, cgroup, container_id, rate_hz)
        finally:
            self._container_id = self._phase = None
            self._containers.remove(container_id)

    def _measure(self, spec: TrialSpec, cgroup: TrialCgroup, container_id: str, rate_hz: int) -> Trial:
        self._probe.follow(cgroup, container_id, rate_hz)
        workload = ContainerWorkload(self._containers, self._drivers, container_id, spec, self._begin_phase)
        self._begin_phase(workload.first_phase)
        asked = time.monotonic()
        running: float | None = None
        try:
            self._containers.start(container_id)
            running = time.monotonic()
            result = workload.run(asked + spec.timeout_ms / 1000)
        except CannotStart as error:
            result = WorkloadResult(passed=False, reason=f"the container cannot start: {error}")
        finally:
            workload.close()
        duration_ms = round((time.monotonic() - asked) * 1000)
        result = self._settle(spec, container_id, result)
        self._probe.end_phase()
        self._phase = None
        state, ended_by_itself = self._end(container_id)
        log = () if result.passed else result.output_tail or self._containers.log_tail(container_id)
        # The engine removes the container's cgroup now; the trial's own stays and keeps the kernel's marks.
        self._containers.remove(container_id)
        report = self._probe.finish()
        was_unseen = report.kernel_peak.value is None and not report.series.time_us
        # The engine's statistics come once a second: a container that was faster is measured as absent values.
        if running is not None and was_unseen and self._probe.sees_cgroups:
            raise self._unseen(cgroup, report)
        judged = judged_part(report, spec.unjudged_phases)
        certificate = certify(
            rate_hz, self._info.cpus, judged.largest_usage_bytes, judged.certified_peak_bytes, report.effort
        )
        engine = EngineWord(state.oom_killed, self._info.cgroup_version, spec.limit_bytes)
        startup = _startup(workload, running, spec)
        costs = unit_costs(workload.progress, report.series, report.origin_ns)
        metrics = trial_metrics(report, judged, certificate, startup, engine) | costs
        oom = oom_findings(report, metrics[Metric.OOM_KILLS])
        exit_code = state.exit_code if ended_by_itself else None
        outcome, reason = outcome_of(spec, result, exit_code, metrics)
        trial = Trial(
            outcome=outcome,
            reason=reason,
            duration_ms=duration_ms,
            exit_code=exit_code,
            metrics=metrics,
            series=report.series,
            log_tail=log,
            workload_passed=result.passed,
            certificate=certificate,
            phases=phases(report),
            snapshot=report.snapshot,
            snapshot_reason=report.snapshot_reason,
            oom=oom,
            at_limit=limit_contact(report, spec.limit_bytes, duration_ms),
            settings=report.settings,
            load=workload.loads,
            ran_inside=_ran_inside(spec, state),
        )
        return without_secrets(trial, spec.inputs.secrets)

    def _begin_phase(self, name: str) -> None:
        self._probe.begin_phase(name)
        self._phase = name

    def _settle(self, spec: TrialSpec, container_id: str, result: WorkloadResult) -> WorkloadResult:
        """Watch what a service keeps when its work is done. One that dies of it has not passed."""
        if not result.passed or spec.workload.kind == "command" or spec.settle_ms == 0:
            return result
        self._begin_phase(PhaseName.SETTLE)
        if not self._containers.wait(container_id, spec.settle_ms / 1000):
            return result
        exit_code = self._containers.state(container_id).exit_code
        if exit_code == 0:  # its workload may have told it to end
            return result
        return WorkloadResult(passed=False, reason=f"the container exited with code {exit_code} after its workload")

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
            f" ({report.kernel_peak.reason})",
            fix="choose where to measure from: --probe container, or --probe engine",
        )


class TrialLedger:
    """What the runners of a run share: the numbers of its trials, and what they learned of its images."""

    def __init__(self) -> None:
        self.rates_hz: dict[str, int] = {}
        """Higher rates that turned out to be needed: of both sides of an image, which are compared."""
        self._last = 0
        self._lock = threading.Lock()

    def next_number(self) -> int:
        """From 1."""
        with self._lock:
            self._last += 1
            return self._last


def _missed_a_spike(trial: Trial) -> bool:
    return trial.judgeable and trial.certificate is not None and trial.certificate.conclusion is Conclusion.SPIKE_MISSED


def _options(spec: TrialSpec, number: int, cgroup_parent: str | None, cpuset: str | None) -> ContainerOptions:
    workload, inputs = spec.workload, spec.inputs
    one_shot = workload if workload.kind == "command" else None
    return ContainerOptions(
        image=spec.image_id,
        name=f"trial{number}",
        role="trial",
        command=one_shot.command if one_shot is not None else None,
        workdir=one_shot.workdir if one_shot is not None else None,
        interactive=one_shot is not None and one_shot.stdin is not None,
        memory_bytes=spec.limit_bytes,
        cgroup_parent=cgroup_parent,
        cpuset=cpuset,
        health_interval_ms=_HEALTH_INTERVAL_MS if _waits_for_health(workload) else None,
        environment=inputs.environment,
        user=inputs.user,
        read_only=inputs.read_only,
        tmpfs=inputs.tmpfs,
        volumes=tuple(inputs.volumes),
        network="bridge" if inputs.is_network_open else "none",
    )


def _waits_for_health(workload: Workload) -> bool:
    return workload.kind != "command" and workload.ready is not None and workload.ready.healthcheck is not None


def _startup(workload: ContainerWorkload, running: float | None, spec: TrialSpec) -> Startup:
    ready_at = workload.ready_at
    return Startup(
        ready_ms=max(0, round((ready_at - running) * 1000)) if ready_at is not None and running is not None else None,
        was_ready_at_once=workload.was_ready_at_once,
        workload_kind=spec.workload.kind,
        waits=workload.first_phase is PhaseName.START_UP,
    )


def _ran_inside(spec: TrialSpec, state: ContainerState) -> tuple[RanInside, ...]:
    has_commands = spec.workload.kind != "command" and any(step.exec for step in steps_of(spec.workload))
    commands = (RanInside.COMMANDS,) if has_commands else ()
    return (*commands, *((RanInside.HEALTHCHECK,) if state.health is not None else ()))
