import pytest
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from membudget.budgets.rules import EffectiveBudget
from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.report.formats.openmetrics import render
from membudget.report.report import Report
from tests.support.builders import budgets, image, report, side, throughput, trial
from tests.support.golden import assert_golden
from tests.support.hostile_report import hostile_report
from tests.unit.report.reports import REPORTS, everything, guarded


def parsed(made: Report) -> dict[str, Family]:
    """As Prometheus' own strict parser reads it."""
    families = text_string_to_metric_families(render(made.judged()))  # type: ignore[no-untyped-call]
    return {family.name: family for family in families}


def value(family: Family, **labels: str) -> float:
    (found,) = [sample.value for sample in family.samples if sample.labels == labels]
    return float(found)


@pytest.mark.thorough
@pytest.mark.parametrize("make", [*REPORTS.values(), hostile_report, report])
def test_it_is_openmetrics(make: object) -> None:
    assert callable(make)
    assert "membudget_verdict" in parsed(make())


def test_what_a_database_of_figures_reads() -> None:
    made = guarded()
    assert_golden("openmetrics-guarded.txt", render(made.judged()))


def test_figures_come_in_base_units_with_image_and_side() -> None:
    allowed = budgets(max_rss=64, rss_growth=(5, 2))
    made = report(image("api", base=side(trial(40)), head=side(trial(60)), allowed=allowed, limit=128))
    families = parsed(made)
    assert value(families["membudget_peak_rss_bytes"], image="api", side="head") == 60 * MIB
    assert value(families["membudget_peak_rss_bytes"], image="api", side="base") == 40 * MIB
    assert families["membudget_peak_rss_bytes"].unit == "bytes"
    assert value(families["membudget_cpu_seconds"], image="api", side="head") == 1.5
    assert families["membudget_cpu_seconds"].unit == "seconds"
    assert value(families["membudget_oom_kills"], image="api", side="head") == 0
    assert value(families["membudget_limit_bytes"], image="api") == 128 * MIB
    assert value(families["membudget_budget_bytes"], image="api", metric="peak_rss") == 64 * MIB
    assert value(families["membudget_headroom_bytes"], image="api", metric="peak_rss") == -18 * MIB
    assert value(families["membudget_verdict"], membudget_verdict="fail") == 1
    assert value(families["membudget_verdict"], membudget_verdict="pass") == 0
    (about,) = families["membudget_report"].samples
    assert about.labels == {"version": "0.1.0", "head": "b" * 40, "base": "a" * 40}


def test_rates_and_latencies_come_a_second_and_in_seconds() -> None:
    allowed = {
        Metric.REQUESTS_PER_SECOND: EffectiveBudget(min=1_500_000),
        Metric.LATENCY_P95: EffectiveBudget(25_000),
    }
    families = parsed(report(image("api", head=side(throughput(1400, rss=40, p95_ms=20)), allowed=allowed)))
    head = {"image": "api", "side": "head"}
    assert value(families["membudget_requests_per_second"], **head) == 1400
    assert families["membudget_requests_per_second"].unit == "per_second"
    assert value(families["membudget_requests_per_gib"], **head) == 1400 * 1024 / 40
    assert families["membudget_requests_per_gib"].unit == "per_gib"
    assert value(families["membudget_latency_p95_seconds"], **head) == 0.02
    assert value(families["membudget_budget_per_second"], image="api", metric="requests_per_second") == 1500
    assert value(families["membudget_headroom_per_second"], image="api", metric="requests_per_second") == -100
    assert value(families["membudget_budget_seconds"], image="api", metric="latency_p95") == 0.025
    assert value(families["membudget_headroom_seconds"], image="api", metric="latency_p95") == 0.005


@pytest.mark.thorough
def test_phases_have_a_label_and_what_was_not_measured_is_not_there() -> None:
    families = parsed(everything())
    peaks = families["membudget_peak_rss_bytes"]
    assert value(peaks, image="api", side="head", phase="burst") == 70 * MIB
    assert [sample for sample in peaks.samples if sample.labels == {"image": "web", "side": "head"}] == []
    assert "membudget_memory_pressure_seconds" not in families, "cgroup v1 has none: no family without a sample"


@pytest.mark.thorough
def test_every_metric_has_a_family_of_its_own() -> None:
    made = everything()
    names = [line.split()[2] for line in render(made.judged()).splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    known = {metric.value for metric in Metric}
    measured = {name.removeprefix("membudget_").removesuffix("_bytes").removesuffix("_seconds") for name in names}
    assert {"peak_rss", "image_size", "startup_time"} <= measured & known
