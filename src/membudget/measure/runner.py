"""Runs one trial: a container under its limit, exercised, and sampled from outside."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from membudget.core.errors import DoctorCheck, EnvironmentFault
from membudget.core.metrics import Metric
from membudget.core.progress import Running
from membudget.engine.cgroups import TrialCgroup, trial_cgroup
from membudget.engine.connection import EngineInfo
from membudget.engine.containers import CannotStart, Containers
from membudget.measure.assumed import AutoEnd
from membudget.measure.certificate import EngineWord, require_swap_limit
from membudget.measure.doomed import ended_at_first_kill
from membudget.measure.figures import TrialSeen, limit_contact, oom_findings, phases, trial_figures
from membudget.measure.inputs import container_options, informed
from membudget.measure.live_heap.reader import live_heap
from membudget.measure.outcome import outcome_of, with_trouble, without_secrets
from membudget.measure.pod.pod import ComposePod, LoneContainer, Places, PodTools, TrialContainers
from membudget.measure.probe.client import DEFAULT_RATE_HZ, MachineState, Probe, Watching
from membudget.measure.probe.messages import Depth, ProbeReport
from membudget.measure.profiling.capturing import NO_CAPTURE, Capture, HeapCapture
from membudget.measure.profiling.order import ProfiledTrial, Profiling, failed_to_start, profiled
from membudget.measure.repeats import read_during_kill, until_seen
from membudget.measure.runtimes.asking import asked
from membudget.measure.runtimes.runtime import Runtime
from membudget.measure.schedule import TrialLedger, cpu_list
from membudget.measure.trial import PhaseName, SidecarUse, Trial, TrialSpec, WorkloadResult
from membudget.measure.workload.exercised import (
    NOT_ASKED,
    NOT_RUNNING,
    ContainerEnding,
    Exercised,
    LiveHeap,
    end,
    ran_inside,
)
from membudget.measure.workload.explained import with_variables
from membudget.measure.workload.run import ContainerWorkload
from membudget.measure.workload.service import Drivers

HIGHEST_RATE_HZ = 1000


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """How closely a runner looks."""

    rate_hz: int = DEFAULT_RATE_HZ
    """Looks per second at rest."""
    highest_rate_hz: int = HIGHEST_RATE_HZ
    """The highest rate of a repeated trial."""


class TrialRunner:
    """Runs trials one after another on one engine."""

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        containers: Containers,
        info: EngineInfo,
        probe: Probe,
        drivers: Drivers,
        pods: PodTools,
        *,
        settings: RunnerSettings = RunnerSettings(),
    ) -> None:
        self._containers = containers
        self._info = info
        self._probe = probe
        self._drivers = drivers
        self._settings = settings
        self._pods = pods
        self._swap_bytes = None if info.limits_swap else probe.swap_bytes()
        self._container_id: str | None = None
        self._cancelled = False
        self._cpus = tuple(range(info.cpus))
        """The CPUs of the running trial."""
        self._name = ""
        """The name of the image that is running."""
        self._phase: str | None = None
        """The phase of the running trial."""
        self.rate_hz = settings.rate_hz
        """Looks per second at rest."""
        self.place = probe.place
        """Where samples are taken from, as text for the report."""

    def run(self, spec: TrialSpec, ledger: TrialLedger, cpus: tuple[int, ...] | None = None) -> Trial:
        """Run `spec` on some of these CPUs (None: of all), and repeat it at a higher rate while a spike is missed.

        Raises EnvironmentFault if the trial says nothing about the image.
        """
        self._cpus = cpus or tuple(range(self._info.cpus))
        if spec.limit_bytes is not None:
            require_swap_limit(limits_swap=self._info.limits_swap, swap_bytes=self._swap_bytes)
        if spec.only_outcome:
            return self._run_once(spec, ledger, self.rate_hz, Depth.NONE)
        return until_seen(
            partial(self._run_once, spec, ledger),
            spec.name,
            ledger,
            rate_hz=self.rate_hz,
            highest_rate_hz=self._settings.highest_rate_hz if self._probe.sees_cgroups else 0,
        )

    def ask(self, spec: TrialSpec, runtime: Runtime, cpus: tuple[int, ...] | None = None) -> Runtime:
        """Return a runtime of the image with its answer on its memory, or with the reason why there is none.

        Raises EnvironmentFault if the engine fails.
        """
        if self._cancelled:
            raise EnvironmentFault("the run was cancelled")
        cpuset = cpu_list(cpus or tuple(range(self._info.cpus)), spec.inputs.cpus, self._info.cpus)
        return asked(self._containers, spec, runtime, cpuset, self._note_container)

    def profile(
        self, spec: TrialSpec, order: Profiling, ledger: TrialLedger, cpus: tuple[int, ...] | None = None
    ) -> ProfiledTrial:
        """Run `spec` with a profiler, and return its profile, or the reason why there is none.

        Raises EnvironmentFault if the trial says nothing about the image.
        """
        self._cpus = cpus or tuple(range(self._info.cpus))
        run = profiled(spec, order, self._containers.environment(spec.image_id), self.available_bytes())
        capture = HeapCapture(self._drivers, self._containers, self._probe.rss_now, order, spec.inputs.secrets)
        trial = self._run_once(run, ledger, self.rate_hz, Depth.NONE, capture)
        return ProfiledTrial(capture.side(trial), failed_to_start(trial))

    def _note_container(self, container_id: str | None) -> None:
        self._container_id = container_id

    def cancel(self) -> None:
        """Stop the running trial and start no other. Called from another thread."""
        self._cancelled = True
        if self._container_id is not None:
            with contextlib.suppress(EnvironmentFault):  # the container or the engine is already gone
                self._containers.remove(self._container_id)

    def live(self) -> Running | None:
        """Return the running trial as last sampled, or None if there is none. Called from another thread."""
        name, phase = self._name, self._phase
        try:
            rss = self._probe.rss_now() if phase is not None else None
        except EnvironmentFault:  # the trial's own thread reports the error
            return None
        return Running(name, phase, rss) if phase is not None and rss is not None else None

    def available_bytes(self) -> int | None:
        """Return the memory that the machine can spare, in bytes."""
        return self._probe.available_bytes()

    @property
    def sees_cgroups(self) -> bool:
        """Whether the kernel's own files are read. Otherwise, the engine's statistics are."""
        return self._probe.sees_cgroups

    def machine(self) -> MachineState:
        """Return what the probe sees of the engine's machine."""
        return self._probe.machine()

    def _run_once(
        self, spec: TrialSpec, ledger: TrialLedger, rate_hz: int, depth: Depth, capture: Capture = NO_CAPTURE
    ) -> Trial:
        self._name = spec.name
        cgroup = self._next_cgroup(ledger)
        spec = informed(spec, self._containers.declarations(spec.image_id))
        pod = self._make(spec, cgroup, ledger)
        self._container_id = pod.container_id
        try:
            if self._cancelled:
                raise EnvironmentFault("the run was cancelled")
            watching = Watching(rate_hz, depth, tuple(sorted(spec.unjudged_phases)))
            return self._measure(spec, cgroup, pod, watching, capture)
        finally:
            self._container_id = self._phase = None
            pod.close()

    def _next_cgroup(self, ledger: TrialLedger) -> TrialCgroup:
        return trial_cgroup(self._containers.run, ledger.next_number(), self._info.cgroup_driver, self._info.kind)

    def _make(self, spec: TrialSpec, cgroup: TrialCgroup, ledger: TrialLedger) -> TrialContainers:
        cpus = cpu_list(self._cpus, spec.inputs.cpus, self._info.cpus)
        options = container_options(spec, f"trial{cgroup.number}", self._parent(cgroup), cpus)
        plan = spec.inputs.pod
        if plan is None:
            return LoneContainer(self._containers, options, spec.inputs.volumes)
        cgroups = {name: self._next_cgroup(ledger) for name in plan.sidecars}
        beside = {
            name: replace(options, cgroup_parent=self._parent(own), health_interval_ms=None)
            for name, own in cgroups.items()
        }
        places = Places({plan.measured: options, **beside}, cgroups)
        return ComposePod(self._containers, self._pods, spec, plan, places)

    def _parent(self, cgroup: TrialCgroup) -> str | None:
        return cgroup.parent_argument if self._probe.sees_cgroups else None

    def _measure(
        self, spec: TrialSpec, cgroup: TrialCgroup, pod: TrialContainers, watching: Watching, capture: Capture
    ) -> Trial:
        container_id = pod.container_id
        probes = self._pods.probes(len(pod.sidecars))
        with self._ended_if_doomed(spec, container_id), capture.watching(container_id):
            exercised = self._exercised(spec, cgroup, pod, watching, probes)
            capture.workload_ended()
            result = with_trouble(self._settle(spec, container_id, exercised.result), pod.trouble())
            capture.settled()
        for probe in (self._probe, *probes):
            probe.end_phase()
        self._phase = None
        ending = self._ended(spec, pod, probes, result)
        state, report, beside = ending.state, ending.report, ending.beside
        was_unseen = report.kernel_peak.value is None and not report.series.time_us
        # The engine's statistics come once a second. The values of a shorter container are absent.
        if exercised.running_at is not None and was_unseen and self._probe.sees_cgroups:
            raise self._unseen(cgroup, report)
        exit_code = state.exit_code if ending.was_by_itself else None
        version = self._info.cgroup_version
        engine = EngineWord(state.oom_killed, version, self._info.cpus, exit_code=exit_code)
        startup = exercised.startup(spec)
        workload = exercised.workload
        seen = TrialSeen(report, beside, workload.progress, startup, workload.served, ending.live_heap.value)
        figures = trial_figures(spec, seen, engine, watching.rate_hz)
        unset = spec.inputs.variables_of_compose
        result = with_variables(result, unset, listens=bool(exercised.workload.listening))
        outcome, reason = outcome_of(spec, result, exit_code, figures.metrics[Metric.OOM_KILLS], figures.own_oom_kills)
        trial = Trial(
            outcome=outcome,
            reason=reason,
            duration_ms=exercised.duration_ms,
            exit_code=exit_code,
            metrics=figures.metrics,
            series=report.series,
            log_tail=ending.log,
            workload_passed=result.passed,
            certificate=figures.certificate,
            phases=phases(report, startup),
            snapshot=report.snapshot,
            snapshot_reason=report.snapshot_reason,
            depth=watching.depth,
            read_during_kill=read_during_kill([report, *beside], figures.metrics[Metric.OOM_KILLS]),
            oom=oom_findings(report, figures.own_oom_kills),
            oom_doubt=figures.oom_doubt,
            at_limit=limit_contact(report, spec.limit_bytes, exercised.duration_ms),
            settings=report.settings,
            load=tuple(one.result for one in workload.served),
            ran_inside=ran_inside(spec, ending),
            assumed=exercised.workload.assumed(exercised.result),
            file_pages=report.file_pages,
            sidecars=tuple(
                SidecarUse.of(sidecar.name, own, version, runs_to_end=sidecar.runs_to_end)
                for sidecar, own in zip(pod.sidecars, beside, strict=True)
            ),
        )
        return without_secrets(trial, spec.inputs.secrets)

    def _ended(
        self, spec: TrialSpec, pod: TrialContainers, probes: Sequence[Probe], result: WorkloadResult
    ) -> ContainerEnding:
        """End the container, and return all figures.

        A runtime is asked what it keeps only once every other figure was taken. Its collection takes CPU time and
        memory, and the question may even end it.
        """
        container_id = pod.container_id
        if spec.asks_live_heap and result.passed and (state := self._containers.state(container_id)).running:
            report, beside = self._probe.finish(), [probe.finish() for probe in probes]
            heap = live_heap(self._drivers, container_id, state.pid)
            end(self._containers, container_id)
            pod.remove_measured()
            return ContainerEnding(state, report, beside, was_by_itself=False, live_heap=heap)
        state, was_by_itself = end(self._containers, container_id)
        log = () if result.passed else result.output_tail or self._containers.log_tail(container_id)
        # The engine now removes the containers' cgroups. The trial's own cgroup stays and keeps the kernel's marks.
        pod.remove_measured()
        report, beside = self._probe.finish(), [probe.finish() for probe in probes]
        heap = LiveHeap(NOT_RUNNING if spec.asks_live_heap else NOT_ASKED)
        return ContainerEnding(state, report, beside, was_by_itself=was_by_itself, log=log, live_heap=heap)

    def _ended_if_doomed(self, spec: TrialSpec, container_id: str) -> contextlib.AbstractContextManager[None]:
        """Return a context that ends the container at its first OOM kill, if only the outcome matters."""
        if not spec.only_outcome:
            return contextlib.nullcontext()
        return ended_at_first_kill(self._probe.kills_now, partial(self._containers.kill, container_id))

    def _exercised(
        self, spec: TrialSpec, cgroup: TrialCgroup, pod: TrialContainers, watching: Watching, probes: Sequence[Probe]
    ) -> Exercised:
        """Start the container and the services around it, sample from the first moment, and run the workload."""
        asked_at = time.monotonic()
        deadline = asked_at + spec.timeout_ms / 1000
        for sidecar, probe in zip(pod.sidecars, probes, strict=True):
            probe.follow(sidecar.cgroup, sidecar.container_id, watching)
        result = pod.prepare(deadline)
        self._probe.follow(cgroup, pod.container_id, watching)
        workload = ContainerWorkload(self._containers, self._drivers, pod.container_id, spec, self._begin_phase)
        self._begin_phase(workload.first_phase)
        running_at: float | None = None
        try:
            if result.passed:
                asked_at = time.monotonic()
                pod.start()
                running_at = time.monotonic()
                result = pod.start_the_rest(deadline)
            if result.passed:
                result = workload.run(deadline)
        except CannotStart as error:
            result = WorkloadResult(passed=False, reason=f"the container cannot start: {error}")
        finally:
            workload.close()
        return Exercised(workload, result, round((time.monotonic() - asked_at) * 1000), running_at)

    def _begin_phase(self, name: str) -> None:
        self._probe.begin_phase(name)
        self._phase = name

    def _settle(self, spec: TrialSpec, container_id: str, result: WorkloadResult) -> WorkloadResult:
        """Observe the memory that a service keeps after its work.

        If the service ends with an error, the trial fails.
        """
        has_ended = result.auto_end is AutoEnd.ENDED
        if not result.passed or not spec.workload.is_service or spec.settle_ms == 0 or has_ended:
            return result
        self._begin_phase(PhaseName.SETTLE)
        if not self._containers.wait(container_id, spec.settle_ms / 1000):
            return result
        exit_code = self._containers.state(container_id).exit_code
        if exit_code == 0:  # the workload may have asked the service to end
            return result
        return WorkloadResult(passed=False, reason=f"the container exited with code {exit_code} after its workload")

    def _unseen(self, cgroup: TrialCgroup, report: ProbeReport) -> EnvironmentFault:
        """Return the error for a cgroup that no probe saw: the place to look from is wrong."""
        return EnvironmentFault(
            f"the container ran, but its cgroup {cgroup.path} was never seen from {self._probe.place}"
            f" ({report.kernel_peak.reason})",
            fix="choose where to measure from: --probe container, or --probe engine",
            check=DoctorCheck.PROBE,
        )
