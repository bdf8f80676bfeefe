"""What cAdvisor and kube-state-metrics say of a shop in production, as OpenMetrics with times."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from membudget.core.quantities import MIB

DAY_S = 86_400
SCRAPE_S = 900
_BEFORE_THE_HOUR_S = 60
"""No scrape falls on an hour, which belongs to one hour or to two, depending on Prometheus' version."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A container in a pod, with its memory at each scrape."""

    name: str
    rss_mib: float = 100
    peak_mib: float = 128
    """Its RSS at one scrape in the middle. The working set is 10 MiB more."""
    container: str = "api"
    mark_mib: float | None = None
    oom_events: int = 0
    """How many kills cAdvisor counted in the middle."""
    was_oom_killed: bool = False
    """Whether its last end was an OOM kill, at all scrapes: without restarts, an old one."""
    restarts: int = 0
    """In the middle."""
    job: str = "kubelet"
    namespace: str = "shop"
    without: range = field(default_factory=lambda: range(0))
    """The scrapes, counted from the first, of which there is no sample."""


def exposition(pods: list[Pod], now_s: int, days: int = 14) -> str:
    """The samples of the days before `now_s`, as `promtool tsdb create-blocks-from openmetrics` reads them."""
    lines: list[str] = []
    for name, kind in _KINDS.items():
        family = name.removesuffix("_total") if kind == "counter" else name
        lines.append(f"# TYPE {family} {kind}")
        for pod in pods:
            lines += _series(name, pod, now_s, days)
    return "\n".join([*lines, "# EOF", ""])


_KINDS = {
    "container_memory_rss": "gauge",
    "container_memory_working_set_bytes": "gauge",
    "container_memory_max_usage_bytes": "gauge",
    "container_spec_memory_limit_bytes": "gauge",
    "container_oom_events_total": "counter",
    "kube_pod_container_status_last_terminated_reason": "gauge",
    "kube_pod_container_status_restarts_total": "counter",
}


def _series(name: str, pod: Pod, now_s: int, days: int) -> Iterator[str]:
    count = days * DAY_S // SCRAPE_S
    labels = {"namespace": pod.namespace, "pod": pod.name, "container": pod.container}
    if name.startswith("container_"):
        labels |= {"job": pod.job, "image": f"registry.example.com/{pod.container}:1", "id": f"/{pod.name}"}
    else:
        labels |= {"job": "kube-state-metrics"}
    if "reason" in name:
        if not pod.was_oom_killed:
            return
        labels |= {"reason": "OOMKilled"}
    if name == "container_memory_max_usage_bytes" and pod.mark_mib is None:
        return
    shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
    for number in range(count):
        if number not in pod.without:
            at = now_s - (count - 1 - number) * SCRAPE_S - _BEFORE_THE_HOUR_S
            yield f"{name}{{{shown}}} {_value(name, pod, number, count)} {at}"


def _value(name: str, pod: Pod, number: int, count: int) -> int:
    is_over = number >= count // 2
    rss = pod.peak_mib if number == count // 2 else pod.rss_mib
    values = {
        "container_memory_rss": rss * MIB,
        "container_memory_working_set_bytes": (rss + 10) * MIB,
        "container_memory_max_usage_bytes": (pod.mark_mib or 0) * MIB,
        "container_spec_memory_limit_bytes": 256 * MIB,
        "container_oom_events_total": pod.oom_events if is_over else 0,
        "kube_pod_container_status_last_terminated_reason": 1,
        "kube_pod_container_status_restarts_total": pod.restarts if is_over else 0,
    }
    return round(values[name])


def this_hour() -> int:
    """The begin of this hour, in seconds since the epoch."""
    return int(time.time()) // 3600 * 3600
