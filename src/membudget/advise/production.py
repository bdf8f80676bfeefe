"""Asks a Prometheus what an image used in production: which queries, and what their answers mean.

The metrics are those of cAdvisor and kube-state-metrics. The server aggregates: an answer has one sample for each
figure, however many pods there are.
`core.production` names the sources. Those of kills and restarts: "Pod Metrics" in the documentation of
kubernetes/kube-state-metrics.
"""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from membudget.budgets.fields import LARGEST_SIZE_BYTES
from membudget.budgets.selector import Matcher, Selector
from membudget.core.errors import shortened
from membudget.core.metrics import Metric
from membudget.core.production import ProductionMetric
from membudget.judge.production import NotSeen, Production, ProductionUse, Scrapes
from membudget.report.formats.exposition import JOB
from membudget.web.prometheus_answer import Answered, PrometheusSample

_STEP_S = 3600
_DAY_S = 86_400
SERIES = {
    Metric.PEAK_RSS: ProductionMetric.RSS,
    Metric.PEAK_WORKING_SET: ProductionMetric.WORKING_SET,
    Metric.PEAK_MEMORY: ProductionMetric.MAX_USAGE,
}
"""The series of cAdvisor that has each metric. The last one is the kernel's own mark, which misses no peak."""
_SAMPLED = (Metric.PEAK_RSS, Metric.PEAK_WORKING_SET)
_NAMES = ("container", "name", "id", "image")
"""Labels that only single containers have. Without one of them, cAdvisor's sums over whole pods would match."""
_OF_PODS = ("cluster", "namespace", "pod", "container")
"""Labels that the series of kube-state-metrics have as well."""
_KIND = "membudget"
_LARGEST_COUNT = 1 << 50
_MOST_SCRAPES = 3_600_000
"""In an hour: one each millisecond."""
_POD = "cluster,namespace,pod,uid,container"
"""What tells a container of kube-state-metrics from all others. Labels that are not there are empty."""
_LONGEST_TEXT = 20


class _Part(StrEnum):
    """What is asked for beside the metrics."""

    PODS = "pods"
    CONTAINERS = "containers"
    NAMESPACES = "namespaces"
    SAMPLES = "samples"
    OOM_KILLS = "oom_kills"
    OOM_KILLED = "oom_killed"
    RESTARTS = "restarts"
    LIMIT = "limit"


class QuerySource(Protocol):
    """A server that answers queries."""

    def instant(self, query: str, time_s: float) -> Answered:
        """Return the value of a query at a time."""

    def over_time(self, query: str, begin_s: float, end_s: float, step_s: int) -> Answered:
        """Return the values of a query at each step."""


def seen_in(source: QuerySource, selector: Selector, days: int, now_s: float) -> Production | NotSeen:
    """Return what the containers that match used in the days before `now_s`. Raises what the source raises."""
    selector = _of_containers(selector)
    answer = source.instant(figures_query(selector, days), now_s)
    figures = _Figures.of(answer)
    used = dict(figures.used())
    if not used:
        return NotSeen.NOT_USABLE if figures.unusable else NotSeen.NO_SERIES
    begin_s = now_s - days * _DAY_S + _STEP_S
    scraped = source.over_time(scrapes_query(selector), begin_s, now_s, _STEP_S)
    return Production(
        selector=str(selector),
        days=days,
        used=used,
        pods=figures.count(_Part.PODS) or 1,
        containers=figures.count(_Part.CONTAINERS) or 1,
        namespaces=figures.count(_Part.NAMESPACES) or 1,
        samples=figures.count(_Part.SAMPLES) or 1,
        scrapes=_scrapes(scraped.samples, begin_s, now_s),
        oom_kills=figures.count(_Part.OOM_KILLS),
        oom_killed=figures.count(_Part.OOM_KILLED),
        restarts=figures.count(_Part.RESTARTS),
        limit_bytes=figures.count(_Part.LIMIT) or None,
        is_partial=answer.is_partial or scraped.is_partial,
        unusable=figures.unusable,
    )


def figures_query(selector: Selector, days: int) -> str:
    """Return one query for all figures: each is a sample whose label `membudget` says which one it is."""
    return " or ".join(f'label_replace({query},"{_KIND}","{kind}","","")' for kind, query in _queries(selector, days))


def _queries(selector: Selector, days: int) -> Iterator[tuple[str, str]]:
    by_pod = "by (name)" if selector.has("name", "id") else "by (namespace,pod)"

    def over(function: str, series: str, of: Selector = selector, quantile: str = "") -> str:
        return f"{function}({quantile}{series}{of}[{days}d])"

    for metric, series in SERIES.items():
        yield f"{metric}.max", f"max({over('max_over_time', series)})"
        if metric in _SAMPLED:
            yield f"{metric}.p99", f"max({over('quantile_over_time', series, quantile='0.99,')})"
            yield f"{metric}.pods", f"quantile(0.99,max {by_pod} ({over('max_over_time', series)}))"
    any_series = f"({' or '.join(over('count_over_time', SERIES[metric]) for metric in _SAMPLED)})"
    yield _Part.PODS, f"count(count {by_pod} {any_series})"
    yield _Part.CONTAINERS, f"count({any_series})"
    yield _Part.NAMESPACES, f"count(count by (namespace) {any_series})"
    yield _Part.SAMPLES, f"sum({any_series})"
    yield _Part.LIMIT, f"max({over('max_over_time', ProductionMetric.LIMIT)})"
    yield _Part.OOM_KILLS, _growth(over, ProductionMetric.OOM_EVENTS, selector)
    of_pods = selector.only(lambda matcher: matcher.label in _OF_PODS)
    if of_pods.has("container", "pod"):
        killed = of_pods.plus(Matcher("reason", "=", "OOMKilled"))
        ended = over("max_over_time", "kube_pod_container_status_last_terminated_reason", killed)
        restarts = "kube_pod_container_status_restarts_total"
        most, fewest = (over(function, restarts, of_pods) for function in ("max_over_time", "min_over_time"))
        # The reason stays for as long as the pod lives, so one without a restart in these days is older.
        has_restarted = f"max by ({_POD}) ({most}) - min by ({_POD}) ({fewest}) > 0"
        yield _Part.OOM_KILLED, f"sum(max by ({_POD}) ({ended}) and ({has_restarted}))"
        yield _Part.RESTARTS, _growth(over, restarts, of_pods)


class _Over(Protocol):
    def __call__(self, function: str, series: str, of: Selector = ..., quantile: str = ...) -> str: ...


def _growth(over: _Over, series: str, of: Selector) -> str:
    """Return how much counters grew at least. `increase` would extrapolate."""
    return f"sum({over('max_over_time', series, of)} - {over('min_over_time', series, of)})"


def scrapes_query(selector: Selector) -> str:
    """Return the query for how often a container was sampled in each hour."""
    counts = " or ".join(f"count_over_time({SERIES[metric]}{selector}[1h])" for metric in _SAMPLED)
    return f"max({counts})"


def _of_containers(selector: Selector) -> Selector:
    """Return the selector without whole pods, Kubernetes' pause containers, and the figures that membudget exports."""
    if not selector.has("job"):
        selector = selector.plus(Matcher("job", "!=", JOB))
    if selector.has(*_NAMES):
        return selector
    return selector.plus(Matcher("container", "!=", ""), Matcher("container", "!=", "POD"))


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures of an answer, by their name."""

    values: Mapping[str, float]
    unusable: tuple[str, ...]

    @classmethod
    def of(cls, answer: Answered) -> "_Figures":
        """Return the usable figures. Of several with one name, the largest counts."""
        values: dict[str, float] = {}
        unusable: dict[str, None] = {}
        known = {*_Part, *(f"{metric}.{part}" for metric in SERIES for part in ("max", "p99", "pods"))}
        for sample in answer.samples:
            kind = sample.labels.get(_KIND, "")
            if kind not in known:
                continue
            if sample.value is None or sample.value > _LARGEST_COUNT:
                unusable[f"{kind}: {shortened(sample.text, _LONGEST_TEXT)}"] = None
            else:
                values[kind] = max(sample.value, values.get(kind, 0))
        return cls(values, tuple(unusable))

    def used(self) -> Iterator[tuple[Metric, ProductionUse]]:
        for metric in SERIES:
            largest = self.count(f"{metric}.max")
            if largest and largest <= LARGEST_SIZE_BYTES:
                yield metric, ProductionUse(largest, self.count(f"{metric}.p99"), self.count(f"{metric}.pods"))

    def count(self, name: str) -> int | None:
        value = self.values.get(name)
        return round(value) if value is not None else None


def _scrapes(samples: tuple[PrometheusSample, ...], begin_s: float, end_s: float) -> Scrapes | None:
    """Return how often memory was sampled. Each sample is the count of an hour. Hours without any have none.

    Other times than those that were asked for, and counts that no hour can have, do not count.
    """
    counts = {
        round(sample.time_s): sample.value
        for sample in samples
        if begin_s - 1 <= sample.time_s <= end_s + 1 and sample.value is not None and 1 <= sample.value <= _MOST_SCRAPES
    }
    if not counts:
        return None
    hours = (max(counts) - min(counts)) // _STEP_S + 1
    usual = statistics.median(counts.values())
    return Scrapes(_STEP_S / usual, hours * _STEP_S, max(0, hours - len(counts)) * _STEP_S)
