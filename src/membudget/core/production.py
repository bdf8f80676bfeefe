"""The names that containers' memory has where Kubernetes or Docker run them: those of cAdvisor and kube-state-metrics.

membudget exports its figures by these names as well, so that one query draws CI and production. A figure has such a
name only if it means the same there.

Sources: google/cadvisor, lib/container/libcontainer/handler.go (`setMemoryStats`) and lib/metrics/prometheus.go;
"Pod Metrics" in the documentation of kubernetes/kube-state-metrics.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class ProductionMetric(StrEnum):
    """A metric of cAdvisor or kube-state-metrics. The value of the member is its name."""

    source: str
    """The program that exports it."""
    unit: str
    """The unit as the name's last word, as OpenMetrics wants it. Empty if the name does not end in it."""
    summary: str
    """Its definition there."""

    def __new__(cls, name: str, source: str, unit: str, summary: str) -> Self:  # noqa: D102
        member = str.__new__(cls, name)
        member._value_ = name
        member.source = source
        member.unit = unit
        member.summary = summary
        return member

    # fmt: off
    WORKING_SET = (
        "container_memory_working_set_bytes", "cAdvisor", "bytes",
        "usage minus inactive file pages, never below 0",
    )
    RSS = (
        "container_memory_rss", "cAdvisor", "",
        "anonymous memory: `anon` on cgroup v2, `total_rss` on v1. Without shared memory",
    )
    MAX_USAGE = (
        "container_memory_max_usage_bytes", "cAdvisor", "bytes",
        "the kernel's high-water mark of memory use",
    )
    SWAP = (
        "container_memory_swap", "cAdvisor", "",
        "swap use in bytes",
    )
    OOM_EVENTS = (
        "container_oom_events_total", "cAdvisor", "",
        "processes that the OOM killer killed in the container",
    )
    LIMIT = (
        "container_spec_memory_limit_bytes", "cAdvisor", "bytes",
        "the memory limit that the kernel enforces",
    )
    POD_LIMIT = (
        "kube_pod_container_resource_limits", "kube-state-metrics", "",
        "the limit that the manifest declares for a container",
    )
    POD_REQUEST = (
        "kube_pod_container_resource_requests", "kube-state-metrics", "",
        "the request that the manifest declares for a container",
    )
    # fmt: on

    @property
    def is_counter(self) -> bool:
        """Whether it counts events. All others are gauges."""
        return self.value.endswith("_total")


DECLARED = (ProductionMetric.POD_LIMIT, ProductionMetric.POD_REQUEST)
"""The metrics that a manifest declares, for memory and for other resources."""


class GaugeMoment(StrEnum):
    """The moment of a trial at which production's gauge would have had the value."""

    PEAK = "peak"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class InProduction:
    """How a metric of membudget is called in production."""

    metric: ProductionMetric
    moment: GaugeMoment | None = None
    """None if production's metric covers the container's whole life too."""
    column: str | None = None
    """The column of the probe's `Series` whose largest sample means the same. None if the metric's own value does."""
