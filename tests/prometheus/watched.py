"""A quarter of a year of CI and production in Prometheus, with everything that panels and alerts look for.

CI's figures come from our own exporters. Production's have the names and labels of cAdvisor and kube-state-metrics.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.report.formats.exposition import Family, FamilyKind, openmetrics
from membudget.report.formats.history_openmetrics import render_openmetrics
from membudget.report.formats.openmetrics import families
from membudget.report.report import Report
from tests.prometheus.conftest import Promtool
from tests.support.builders import budgets, image, report, side, trial
from tests.unit.report.formats.test_history import TIME_S, series

NOW_S = TIME_S + 30 * 86_400
"""When somebody looks."""
_DAY_S = 86_400
_POD = {"namespace": "shop", "pod": "api-1", "container": "api"}
_KUBELET, _STATE = {"job": "kubelet", **_POD}, {"job": "kube-state-metrics", **_POD}


def checked(rss: float, oom_kills: int = 0) -> Report:
    """A check of main. The image has 128 MiB."""
    head = side(trial(rss, oom_kills=oom_kills), size=100 + rss)
    return report(image("api", base=side(trial(rss)), head=head, allowed=budgets(max_rss=110)))


def _of_ci() -> list[Family]:
    """The figures of two checks, three months apart, with the times of their ends, and one of another repository."""
    found: dict[str, Family] = {}
    checks = (
        ("shop", checked(40), NOW_S - 92 * _DAY_S),
        ("shop", checked(115, oom_kills=2), NOW_S - _DAY_S),
        ("blog", checked(50), NOW_S - _DAY_S),
    )
    for repository, made, time_s in checks:
        for family in families(made.judged()):
            kept = found.setdefault(family.name, Family(family.name, family.kind, family.unit, family.help))
            for sample in family.samples:
                kept.add(sample.value, {**sample.labels, "repository": repository}, time_s)
    return list(found.values())


def _of_production() -> Iterable[Family]:
    minutes = [NOW_S - 60 * ago for ago in range(30, -1, -1)]
    labels = {**_KUBELET, "image": "registry.example/api@sha256:00"}
    declared = {**_STATE, "resource": "memory", "unit": "byte"}
    used = [(170 + number % 20) * MIB for number in range(len(minutes))]
    yield _sampled(
        "container_memory_working_set_bytes", FamilyKind.GAUGE, labels, dict(zip(minutes, used, strict=True))
    )
    yield _sampled("kube_pod_container_resource_limits", FamilyKind.GAUGE, declared, dict.fromkeys(minutes, 192 * MIB))
    kills = {time_s: int(time_s > NOW_S - 600) for time_s in minutes}
    yield _sampled("container_oom_events", FamilyKind.COUNTER, labels, kills)


def _sampled(name: str, kind: FamilyKind, labels: Mapping[str, str], values: Mapping[int, int]) -> Family:
    made = Family(name, kind, "", "as production has it")
    for time_s, value in values.items():
        made.add(str(value), labels, time_s)
    return made


def fill(promtool: Promtool, folder: Path) -> None:
    """Write the blocks into `folder/data`. CI and production each have families of their own, as when scraped."""
    history = [series(30, 35, 40), series(100, 101, metric=Metric.IMAGE_SIZE, budget=None)]
    texts = (render_openmetrics(history), openmetrics(_of_ci()), openmetrics(_of_production()))
    for number, text in enumerate(texts):
        path = folder / f"{number}.txt"
        path.write_text(text)
        promtool("tsdb", "create-blocks-from", "openmetrics", str(path), str(folder / "data"))
