"""Small builders for what tests judge, render and publish: say what matters, take the rest."""

from dataclasses import replace
from datetime import UTC, datetime

from membudget.budgets.rules import EffectiveBudget, Tolerance
from membudget.contents.summary import ImageSummary, Unavailable, image_metrics
from membudget.core.metrics import PEAKS, Metric, MetricValue
from membudget.core.quantities import GIB, MIB
from membudget.judge.measurement import Failure, ImageMeasurement, Presence, SideMeasurement
from membudget.judge.values import aggregate, all_absent
from membudget.judge.whole import Coverage, judge
from membudget.measure.certificate import Certificate, certify
from membudget.measure.figures import pod_peak_rss
from membudget.measure.load import unit_costs
from membudget.measure.probe.messages import HostSettings, SamplingEffort, Series
from membudget.measure.probe.process_use import FileUse, ProcessUse, Snapshot
from membudget.measure.throughput import load_metrics
from membudget.measure.trial import Outcome, Phase, Trial
from membudget.measure.workload.exercised import NOT_ASKED
from membudget.report.report import SCHEMA_VERSION, Comparison, Environment, Report, RevisionReport


def trial(
    rss: float | None = 40,
    *,
    oom_kills: int = 0,
    outcome: Outcome | None = None,
    reason: str | None = None,
    log: tuple[str, ...] = (),
) -> Trial:
    """A trial whose peak RSS is `rss` MiB; None: it could not be sampled."""
    peak = MetricValue.absent(Metric.PEAK_RSS, "no sample") if rss is None else _mib(Metric.PEAK_RSS, rss)
    return Trial(
        outcome=outcome or (Outcome.OOM_KILLED if oom_kills else Outcome.COMPLETED),
        reason=reason,
        duration_ms=1200,
        exit_code=0,
        metrics={
            **{metric: _mib(metric, (rss or 0) + 1) for metric in PEAKS},
            Metric.PEAK_RSS: peak,
            Metric.PEAK_MEMORY: _mib(Metric.PEAK_MEMORY, (rss or 0) + 6),
            Metric.PEAK_WORKING_SET: _mib(Metric.PEAK_WORKING_SET, (rss or 0) + 3),
            Metric.SETTLED_RSS: _mib(Metric.SETTLED_RSS, (rss or 0) / 2),
            Metric.SETTLED_WORKING_SET: _mib(Metric.SETTLED_WORKING_SET, (rss or 0) / 2 + 3),
            Metric.LIVE_HEAP: NOT_ASKED,
            Metric.SWAP_PEAK: MetricValue.of(Metric.SWAP_PEAK, 0),
            Metric.OOM_KILLS: MetricValue.of(Metric.OOM_KILLS, oom_kills),
            Metric.MEMORY_PRESSURE: MetricValue.absent(Metric.MEMORY_PRESSURE, "cgroup v1 has no memory.pressure"),
            Metric.STARTUP_TIME: MetricValue.of(Metric.STARTUP_TIME, 240),
            Metric.CPU_SECONDS: MetricValue.of(Metric.CPU_SECONDS, 1500),
            **unit_costs([], Series(), None),
            **load_metrics([], None),
            Metric.POD_PEAK_RSS: pod_peak_rss(Series(), None, [], 0),
        },
        series=Series([0, 10_000], [MIB, 2 * MIB], [MIB, 2 * MIB], [MIB, 2 * MIB], [MIB, 3 * MIB]),
        log_tail=log,
        certificate=certificate((rss or 0) + 6, (rss or 0) + 6),
        settings=HostSettings("madvise", 0, 60, "0"),
    )


def certificate(sampled: float, mark: float, *, repeated: bool = False) -> Certificate:
    """What was sampled, and what the kernel saw, in MiB."""
    effort = SamplingEffort(120, 40, 11_000, round(sampled * MIB), 1_200_000, 15_000, 2, 4_000)
    return replace(certify(100, 4, round(sampled * MIB), round(mark * MIB), effort), repeated=repeated)


def snapshot(*processes: ProcessUse, rss: float = 40, files: tuple[FileUse, ...] = ()) -> Snapshot:
    """Some processes at a moment, when the cgroup's RSS was `rss` MiB."""
    return Snapshot(
        time_us=900_000,
        rss_bytes=round(rss * MIB),
        anon_bytes=round(rss * MIB),
        took_us=2_000,
        process_count=len(processes),
        summed_rss_bytes=sum(process.rss_bytes for process in processes),
        summed_pss_bytes=sum(process.pss_bytes or 0 for process in processes),
        unreadable=0,
        processes=processes,
        kinds={"heap": round(rss * MIB)},
        dirty_bytes=0,
        files=files,
        detail=None,
    )


def process(*arguments: str, rss: float, pss: float | None, pid: int = 100, file: float = 0) -> ProcessUse:
    """A process that holds `rss` MiB, of them `pss` as its part of anonymous memory, and `file` MiB file-backed.

    None: its memory map could not be read.
    """
    held = None if pss is None else round(pss * MIB)
    return ProcessUse(
        pid,
        "name",
        arguments,
        round(rss * MIB),
        None if held is None else held + round(file * MIB),
        None if pss is None else round((rss - pss) * MIB),
        round(rss * MIB),
        held_anon_bytes=held,
        held_shmem_bytes=None if pss is None else 0,
        file_bytes=round(file * MIB),
    )


def phase(name: str, begin_ms: int, duration_ms: int, rss: float, mark: float | None = None) -> Phase:
    """A phase whose peaks are `rss` and `mark` MiB; without a mark, usage was sampled."""
    usage = _mib(Metric.PEAK_MEMORY, rss + 1)
    memory = (
        replace(usage, precision="sampled, lower bound: no mark", is_less_precise=True)
        if mark is None
        else _mib(Metric.PEAK_MEMORY, mark)
    )
    return Phase(name, begin_ms, duration_ms, 1000 * begin_ms, _mib(Metric.PEAK_RSS, rss), memory)


def throughput(per_second: float, rss: float = 40, p95_ms: float = 20) -> Trial:
    """A trial that served so many requests a second, within `p95_ms` milliseconds."""
    made = trial(rss)
    peak = made.metrics[Metric.PEAK_RSS].value or 1
    served = {
        Metric.REQUESTS_PER_SECOND: round(1000 * per_second),
        Metric.REQUESTS_PER_GIB: round(1000 * per_second * GIB / peak),
        Metric.LATENCY_P50: round(500 * p95_ms),
        Metric.LATENCY_P95: round(1000 * p95_ms),
        Metric.LATENCY_P99: round(2000 * p95_ms),
    }
    values = {metric: MetricValue.of(metric, value) for metric, value in served.items()}
    return replace(made, metrics={**made.metrics, **values})


def side(*trials: Trial, size: float | None = 100, failure: Failure | None = None) -> SideMeasurement:
    """A side of an image that holds `size` MiB of files."""
    not_built = Unavailable(str(failure) if failure else "not built")
    found = not_built if size is None else image_summary(round(size * MIB))
    return SideMeasurement(
        image_id="sha256:" + "a" * 64,
        metrics={
            **image_metrics(found),
            **(all_absent(str(failure)) if failure else aggregate(trials)),
        },
        trials=trials,
        failure=failure,
        failure_hid_image=failure is not None and size is None,
    )


def image_summary(size: int = 100 * MIB, *, waste: int = 0, layers: int = 3) -> ImageSummary:
    """What an image of `size` bytes holds."""
    return ImageSummary(
        platform="linux/amd64",
        file_bytes=size,
        live_bytes=size - waste,
        layer_count=layers,
        download_bytes=None,
        media_types=(),
        inherited_waste_bytes=None,
        layers=(),
        folders=(),
        packages=(),
        package_count=0,
        files=(),
        waste=(),
        hints=(),
    )


def budgets(
    *,
    max_rss: float | None = None,
    rss_growth: tuple[float, float] | None = None,
    max_size: float | None = None,
    size_growth: tuple[float, float] | None = None,
) -> dict[Metric, EffectiveBudget]:
    """Budgets in MiB; growth as (percent, floor). No OOM kill is ever allowed."""
    return {
        Metric.IMAGE_SIZE: _budget(max_size, size_growth),
        Metric.PEAK_RSS: _budget(max_rss, rss_growth),
        Metric.OOM_KILLS: EffectiveBudget(0),
    }


def image(
    name: str = "api",
    *,
    base: SideMeasurement | None = None,
    head: SideMeasurement | None = None,
    allowed: dict[Metric, EffectiveBudget] | None = None,
    presence: Presence = Presence.BOTH,
    limit: float = 128,
) -> ImageMeasurement:
    """An image as it was measured."""
    return ImageMeasurement(
        name=name,
        presence=presence,
        limit_bytes=round(limit * MIB),
        workload="200 HTTP requests to the started service",
        budgets=allowed if allowed is not None else budgets(),
        base=base,
        head=head,
    )


def report(*images: ImageMeasurement, no_base: str | None = None, notes: tuple[str, ...] = ()) -> Report:
    """A report about `images`."""
    return Report(
        schema_version=SCHEMA_VERSION,
        membudget_version="0.1.0",
        started_at=datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        duration_ms=21_500,
        comparison=Comparison(
            head=RevisionReport(sha="b" * 40, subject="Cache all the things"),
            base=None if no_base else RevisionReport(sha="a" * 40, subject="The shop"),
            no_base_reason=no_base,
        ),
        environment=Environment(
            engine="28.0.4",
            platform="linux/amd64",
            kernel="6.8.0",
            cgroup_version=2,
            cgroup_driver="systemd",
            storage_driver="overlay2",
            cpus=4,
            memory_bytes=16 * 1024 * MIB,
            probe="host cgroup files",
            rate_hz=100,
            log_driver="json-file",
        ),
        budgets_digest="0" * 64,
        coverage=Coverage.of_all([one.name for one in images]),
        images=images,
        notes=notes,
        verdict=judge(images).verdict,
    )


def _mib(metric: Metric, value: float) -> MetricValue:
    return MetricValue.of(metric, round(value * MIB))


def _budget(maximum: float | None, growth: tuple[float, float] | None) -> EffectiveBudget:
    return EffectiveBudget(
        round(maximum * MIB) if maximum is not None else None,
        Tolerance(growth[0], round(growth[1] * MIB)) if growth else None,
    )
