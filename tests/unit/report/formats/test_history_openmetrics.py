from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from membudget.build.revision import MainCommit
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.history.series import MetricSeries, SeriesPoint
from membudget.report.formats.history_openmetrics import render_openmetrics
from tests.support.history import MACHINE, line
from tests.unit.report.formats.test_history import FOUND, TIME_S, series


def parsed(*found: MetricSeries) -> dict[str, Family]:
    text = render_openmetrics(found)
    return {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


def test_each_sample_has_the_time_of_its_commit() -> None:
    families = parsed(*FOUND, series(0.001, image="web", metric=Metric.CPU_SECONDS))
    samples = families["membudget_history_peak_rss_bytes"].samples
    assert [(one.labels["image"], one.value) for one in samples][:2] == [("api", 41943040), ("api", 42991616)]
    assert samples[0].timestamp is not None
    assert float(samples[0].timestamp) == TIME_S
    assert families["membudget_history_cpu_seconds"].samples[0].value == 1.049


def test_figures_that_production_has_too_are_there_by_its_names() -> None:
    families = parsed(
        series(45, 46, metric=Metric.PEAK_WORKING_SET), series(20, metric=Metric.SETTLED_WORKING_SET), series(40)
    )
    samples = families["container_memory_working_set_bytes"].samples
    usual = {"job": "membudget", "container": "api", "image": "api", "machine": MACHINE}
    assert [(one.labels, one.value) for one in samples] == [
        ({**usual, "moment": "peak"}, 45 * MIB),
        ({**usual, "moment": "peak"}, 46 * MIB),
        ({**usual, "moment": "settled"}, 20 * MIB),
    ]


def test_each_kind_of_machine_has_series_of_its_own() -> None:
    """Memory of two kinds is not comparable. The size of an image is the same on all."""
    for metric, machines in ((Metric.PEAK_RSS, [MACHINE, "other"]), (Metric.IMAGE_SIZE, [None, None])):
        one, two = series(40, 41, metric=metric).points
        moved = SeriesPoint(one.commit, one.line.model_copy(update={"machine": "other"}))
        samples = parsed(MetricSeries("api", metric, (moved, two)))[f"membudget_history_{metric}_bytes"].samples
        assert [one.labels.get("machine") for one in samples] == machines


def test_peak_rss_is_not_called_rss_of_cadvisor_because_it_has_shared_memory() -> None:
    assert "container_memory_rss" not in parsed(series(40))


def test_samples_are_in_the_order_of_their_times_also_with_impossible_dates() -> None:
    odd = [
        SeriesPoint(MainCommit("a" * 40, 10**17, "the future"), line("a" * 40)),
        SeriesPoint(MainCommit("b" * 40, -5, "long ago"), line("b" * 40)),
    ]
    families = parsed(MetricSeries("api", Metric.PEAK_RSS, tuple(odd)))
    times = [float(one.timestamp or 0) for one in families["membudget_history_peak_rss_bytes"].samples]
    assert len(times) == 2
    assert times == sorted(times)
