from dataclasses import replace

import pytest

from membudget.core.metrics import Metric, MetricValue
from membudget.core.production import ProductionMetric
from membudget.core.quantities import MIB
from membudget.judge.measurement import Failure, FailureStage, ImageMeasurement
from membudget.measure.probe.messages import Series
from membudget.measure.trial import Trial
from membudget.report.formats.exposition import plain_text
from membudget.report.formats.production_names import container_names, production_families
from membudget.report.report import Report
from tests.support.builders import image, phase, report, side, trial
from tests.support.manifests import checked, containers

DEPLOYED = """
- name: server
  image: api
  resources: {limits: {memory: 192Mi}, requests: {memory: 96Mi}}
- name: proxy
  image: envoy
  resources: {limits: {memory: 64Mi}}
"""


def exported(made: Report) -> list[str]:
    """The samples, as they are written."""
    return [line for line in plain_text(production_families(made)).splitlines() if not line.startswith("#")]


def sampled(rss: float, anon: float) -> Trial:
    """A trial that holds anonymous and shared memory."""
    series = Series([0, 10_000], [MIB, round(anon * MIB)], [MIB, round(rss * MIB)], [MIB, MIB], [MIB, MIB])
    return replace(trial(rss), series=series)


def with_manifest(text: str) -> Report:
    made = report(image("api", head=side(trial(40))))
    return made.model_copy(update={"manifests": checked({"api.yaml": containers(text)})})


def test_only_the_head_is_exported() -> None:
    lines = exported(report(image("api", base=side(trial(30)), head=side(trial(40)))))
    labels = 'job="membudget",container="api",image="api"'
    assert f"container_memory_max_usage_bytes{{{labels}}} {46 * MIB}" in lines
    assert f'container_memory_working_set_bytes{{{labels},moment="peak"}} {43 * MIB}' in lines
    assert f'container_memory_working_set_bytes{{{labels},moment="settled"}} {23 * MIB}' in lines
    assert f"container_spec_memory_limit_bytes{{{labels}}} {128 * MIB}" in lines
    assert f"container_oom_events_total{{{labels}}} 0" in lines
    assert len(lines) == len({line.split()[0] for line in lines})


def test_rss_leaves_out_shared_memory_as_cadvisor_does() -> None:
    trials = (sampled(60, 20), sampled(60, 24), sampled(60, 22))
    lines = exported(report(image("api", head=side(*trials))))
    (rss,) = [line for line in lines if line.startswith("container_memory_rss{")]
    assert rss.endswith(f" {22 * MIB}")


def test_rss_of_a_trial_without_samples_is_not_known() -> None:
    trials = (sampled(60, 20), replace(sampled(60, 20), series=Series()))
    lines = exported(report(image("api", head=side(*trials))))
    assert not any(line.startswith("container_memory_rss") for line in lines)


def test_samples_of_phases_that_are_not_judged_do_not_count() -> None:
    phases = (phase("start-up", 0, 10, 60), phase("steady", 10, 10, 20))
    series = Series([0, 5_000, 15_000], [MIB, 60 * MIB, 20 * MIB], [MIB, 60 * MIB, 20 * MIB], [1, 1, 1], [1, 1, 1])
    made = image("api", head=side(replace(trial(40), series=series, phases=phases)))
    lines = exported(report(replace(made, unjudged_phases=("start-up",))))
    (rss,) = [line for line in lines if line.startswith("container_memory_rss{")]
    assert rss.endswith(f" {20 * MIB}")


@pytest.mark.parametrize(
    "measured",
    [
        image("api"),
        image("api", head=side(failure=Failure(FailureStage.BUILD, "it does not build"), size=None)),
    ],
)
def test_without_figures_there_is_the_limit_alone(measured: ImageMeasurement) -> None:
    assert [line.split("{")[0] for line in exported(report(measured))] == ["container_spec_memory_limit_bytes"]


def test_a_figure_that_is_not_known_is_left_out() -> None:
    head = side(trial(40))
    head.metrics[Metric.OOM_KILLS] = MetricValue.absent(Metric.OOM_KILLS, "the kernel does not tell")
    assert not any("oom" in line for line in exported(report(image("api", head=head))))


def test_the_container_has_its_name_of_the_manifest_with_what_is_declared_there() -> None:
    made = with_manifest(DEPLOYED)
    assert container_names(made, "api") == ["server"]
    lines = exported(made)
    labels = 'job="membudget",container="server",image="api"'
    assert f"container_spec_memory_limit_bytes{{{labels}}} {128 * MIB}" in lines
    more = 'workload="Deployment/api",resource="memory",unit="byte"'
    assert f"kube_pod_container_resource_limits{{{labels},{more}}} {192 * MIB}" in lines
    assert f"kube_pod_container_resource_requests{{{labels},{more}}} {96 * MIB}" in lines
    assert not any("envoy" in line or "proxy" in line for line in lines)


def test_an_image_that_two_containers_run_has_a_series_for_each() -> None:
    lines = exported(with_manifest(DEPLOYED.replace("envoy", "api")))
    limits = [line for line in lines if line.startswith("container_spec_memory_limit_bytes")]
    assert [line.split('container="')[1].split('"')[0] for line in limits] == ["proxy", "server"]


def test_init_containers_do_not_count() -> None:
    text = containers("- {name: server, image: api}").replace(
        "containers:", "initContainers: [{name: migrate, image: api}]\n      containers:"
    )
    assert container_names(with_manifest(text), "api") == ["server"]


def test_a_counter_is_named_as_one() -> None:
    assert [metric for metric in ProductionMetric if metric.is_counter] == ["container_oom_events_total"]
