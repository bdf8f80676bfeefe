"""Small builders for what tests judge, render and publish: say what matters, take the rest."""

from datetime import UTC, datetime

from membudget.analysis.aggregate import aggregate, all_absent
from membudget.analysis.measurement import Failure, ImageMeasurement, Presence, SideMeasurement
from membudget.analysis.verdict import judge
from membudget.budgets.effective import EffectiveBudget, Tolerance
from membudget.metrics import Metric, MetricValue
from membudget.quantities import MIB
from membudget.report.report import Comparison, Environment, Report, RevisionReport
from membudget.trials.probe_messages import Series
from membudget.trials.trial import Outcome, Trial


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
            Metric.PEAK_RSS: peak,
            Metric.PEAK_MEMORY: _mib(Metric.PEAK_MEMORY, (rss or 0) + 6),
            Metric.PEAK_WORKING_SET: _mib(Metric.PEAK_WORKING_SET, (rss or 0) + 3),
            Metric.OOM_KILLS: MetricValue.of(Metric.OOM_KILLS, oom_kills),
        },
        series=Series([0, 10_000], [MIB, 2 * MIB], [MIB, 2 * MIB], [MIB, 2 * MIB], [MIB, 3 * MIB]),
        log_tail=log,
    )


def side(*trials: Trial, size: float | None = 100, failure: Failure | None = None) -> SideMeasurement:
    """A side of an image that holds `size` MiB of files."""
    not_built = str(failure) if failure else "not built"
    size_value = MetricValue.absent(Metric.IMAGE_SIZE, not_built) if size is None else _mib(Metric.IMAGE_SIZE, size)
    return SideMeasurement(
        image_id="sha256:" + "a" * 64,
        metrics={
            Metric.IMAGE_SIZE: size_value,
            **(all_absent(str(failure)) if failure else aggregate(trials)),
        },
        trials=trials,
        failure=failure,
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
        schema_version=1,
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
        ),
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
